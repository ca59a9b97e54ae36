"""Rows as token columns, with a reason for each that cannot be trained on.

    sft         messages ──────────────────> input_ids, labels (, token_weights)
    preference  prompt, chosen, rejected ──> prompt_ids, chosen_ids, rejected_ids               DPO
                                        └──> the columns of sft for both members of the pair    REDI

A row is never cut: one beyond `max_length` is left out and counted, and so is one whose text would end itself early.
All other faults lie in the set or in the template and stop the run (`trainer.checks`). A row's weight and its masked
spans become one number per token, so that packing, which joins every column of lists, carries them along.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainer.config import SftConfig, TrainConfig
from trainer.data import SMALL, DataSet
from trainer.render import CONTROL, IGNORED, Rendered, Renderer
from trainer.setup import n_processes

if TYPE_CHECKING:
    from datasets import Dataset

TOO_LONG = "longer than `max_length`"
NO_ANSWER = "the last turn is not an assistant's text"
NO_PAIR = "chosen, rejected or prompt is missing"
NO_WEIGHT = "the weight is not a finite number"
LEFT_OUT = (TOO_LONG, CONTROL)
"""Reasons that leave a row out; every other one stops the run."""


@dataclass(frozen=True)
class Examples:
    rows: "Dataset"
    """What the trainer reads: token columns only, good rows only, in the order of the set or of its `position`."""
    n_rows: int
    """Rows of the set, those left out included."""
    faults: dict[str, int] = field(default_factory=dict)
    """Rows by what is wrong with them."""
    n_tokens: tuple[int, ...] = ()
    """Tokens of each good row, question and answer; of a pair, both members together."""
    n_trained_tokens: tuple[int, ...] = ()
    """Tokens of each good row that get a loss."""
    n_prompts_differ: int = 0
    """Good rows whose question the template renders in another way alone than in front of the answer."""


def sft_examples(data: DataSet, renderer: Renderer, config: SftConfig) -> Examples:
    """Token columns of `sft` rows; `token_weights` is there where rows are weighted."""
    weighted = data.has("weight") or config.loss_mean == "sequence"

    def convert(row: Mapping[str, Any]) -> dict[str, Any]:
        turns = row["messages"]
        if not turns or turns[-1]["role"] != "assistant" or not turns[-1]["content"]:
            return _made({"input_ids": [], "labels": []} | ({"token_weights": []} if weighted else {}), (), NO_ANSWER)
        rendered = renderer.answer(turns[:-1], turns[-1]["content"], row.get("segments"))
        weight = row.get("weight")
        columns: dict[str, Any] = {"input_ids": rendered.input_ids, "labels": rendered.labels}
        if weighted:
            columns |= {"token_weights": token_weights(rendered.labels, weight, config.loss_mean == "sequence")}
        fault = NO_WEIGHT if weight is not None and not math.isfinite(weight) else rendered.fault
        return _made(columns, (rendered,), fault or _too_long((rendered,), config))

    made = ("input_ids", "labels", *(["token_weights"] if weighted else []))
    order_by = "position" if config.order == "position" else ""
    return _examples(data, ("messages", "segments", "weight"), convert, config, made, order_by=order_by)


def pair_examples(data: DataSet, renderer: Renderer, config: TrainConfig) -> Examples:
    """Token columns of `preference` rows as TRL's DPO collator reads them."""

    def convert(row: Mapping[str, Any]) -> dict[str, Any]:
        pair = _pair(row, renderer)
        if pair is None:
            return _made({"prompt_ids": [], "chosen_ids": [], "rejected_ids": []}, (), NO_PAIR)
        chosen, rejected = pair
        n_prompt = min(chosen.n_prompt_tokens, rejected.n_prompt_tokens)
        columns = {
            "prompt_ids": chosen.input_ids[:n_prompt],
            "chosen_ids": chosen.input_ids[n_prompt:],
            "rejected_ids": rejected.input_ids[n_prompt:],
        }
        return _made(columns, pair, chosen.fault or rejected.fault or _too_long(pair, config))

    return _examples(data, PAIR_COLUMNS, convert, config, ("prompt_ids", "chosen_ids", "rejected_ids"))


def redi_examples(data: DataSet, renderer: Renderer, config: SftConfig) -> Examples:
    """Both members of each pair, with weights 1 and -alpha; a row of the result holds one pair."""
    assert config.redi is not None
    weights = (1.0, -config.redi.alpha)

    def convert(row: Mapping[str, Any]) -> dict[str, Any]:
        pair = _pair(row, renderer)
        if pair is None:
            return _made({"input_ids": [], "labels": [], "token_weights": []}, (), NO_PAIR)
        columns: dict[str, Any] = {
            "input_ids": [member.input_ids for member in pair],
            "labels": [member.labels for member in pair],
            "token_weights": [token_weights(m.labels, weight, True) for m, weight in zip(pair, weights, strict=True)],
        }
        return _made(columns, pair, pair[0].fault or pair[1].fault or _too_long(pair, config))

    return _examples(data, PAIR_COLUMNS, convert, config, ("input_ids", "labels", "token_weights"), per_row=2)


PAIR_COLUMNS = ("prompt", "chosen", "rejected", "prefix")


def token_weights(labels: Sequence[int], weight: float | None, per_sequence: bool) -> list[float]:
    """Weight of each token: the row's own, over the number of tokens learnt where the mean is taken per row."""
    n_trained = sum(label != IGNORED for label in labels)
    each = (1.0 if weight is None else weight) / (n_trained if per_sequence and n_trained else 1)
    return [0.0 if label == IGNORED else each for label in labels]


def _pair(row: Mapping[str, Any], renderer: Renderer) -> tuple[Rendered, Rendered] | None:
    prompt, prefix = row["prompt"], row.get("prefix") or ""
    texts = [_text(row["chosen"]), _text(row["rejected"])]
    if not prompt or not all(texts):
        return None
    if prefix:
        return renderer.step(prompt, prefix, texts[0]), renderer.step(prompt, prefix, texts[1])
    return renderer.answer(prompt, texts[0]), renderer.answer(prompt, texts[1])


def _text(answer: str | Sequence[Mapping[str, str]] | None) -> str:
    """The text of an answer given as such or as turns, of which the last is the assistant's."""
    if isinstance(answer, str):
        return answer
    return answer[-1]["content"] or "" if answer and answer[-1]["role"] == "assistant" else ""


def _too_long(rendered: Iterable[Rendered], config: TrainConfig) -> str:
    return TOO_LONG if any(len(member.input_ids) > config.max_length for member in rendered) else ""


def _made(columns: dict[str, Any], rendered: Sequence[Rendered], fault: str) -> dict[str, Any]:
    return columns | {
        "fault": fault,
        "n_tokens": sum(len(member.input_ids) for member in rendered),
        "n_trained_tokens": sum(member.n_trained_tokens for member in rendered),
        "prompt_differs": any(member.prompt_differs for member in rendered),
    }


def _examples(
    data: DataSet,
    columns: Sequence[str],
    convert: Callable[[Mapping[str, Any]], dict[str, Any]],
    config: TrainConfig,
    made_columns: Sequence[str],
    per_row: int = 1,
    order_by: str = "",
) -> Examples:
    """`per_row`: sequences that a row of the result holds; with two, its columns are lists of lists."""
    from datasets import Features, List, Value

    rows = data.rows(columns, order_by)
    types = {name: List(Value("float32" if name == "token_weights" else "int32")) for name in made_columns}
    told = {"fault": "string", "n_tokens": "int64", "n_trained_tokens": "int64", "prompt_differs": "bool"}
    features = Features(
        {name: type_ if per_row == 1 else List(type_) for name, type_ in types.items()}
        | {name: Value(type_) for name, type_ in told.items()}
    )
    n_data_processes = config.execution.n_data_processes
    with first_on_each_node() as is_first:
        made = rows.map(
            convert,
            remove_columns=rows.column_names,
            features=features,
            num_proc=n_data_processes if n_data_processes > 1 else None,
            load_from_cache_file=not is_first,
            keep_in_memory=len(rows) < SMALL,
            new_fingerprint=f"{data.digest[:16]}{config.digest}",
        )
    faults = made["fault"][:]
    good = [index for index, fault in enumerate(faults) if not fault]
    kept = made if len(good) == len(made) else made.select(good)
    return Examples(
        kept.select_columns(list(made_columns)),
        len(made),
        dict(sorted(Counter(fault for fault in faults if fault).items())),
        tuple(kept["n_tokens"][:]),
        tuple(kept["n_trained_tokens"][:]),
        sum(kept["prompt_differs"][:]),
    )


@contextmanager
def first_on_each_node() -> Iterator[bool]:
    """Lets one process of a node tokenise, and the others read what it wrote. Says whether this is the one."""
    if n_processes() == 1:
        yield True
        return
    from accelerate import PartialState

    state = PartialState()
    with state.local_main_process_first():
        yield state.is_local_main_process
