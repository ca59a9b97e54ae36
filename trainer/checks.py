"""What is refused before a weight is loaded, each with the number of rows concerned and the remedy.

    tokenizer ── check_tokenizer ──> the template is there, encoding survives saving
    examples ─── check_examples ───> thinking shown, turn ended, masks placed, few enough rows too long
    model ────── rows_stay_apart ──> packed rows do not see each other

Only the last one needs the weights.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from trainer.config import TrainConfig
from trainer.errors import TrainError
from trainer.examples import LEFT_OUT, NO_ANSWER, NO_PAIR, NO_WEIGHT, TOO_LONG, Examples
from trainer.render import ENDLESS, HIDDEN, INSERTED, NOTHING, OUTSIDE, UNPLACED, UNRENDERED

if TYPE_CHECKING:
    from transformers import PreTrainedModel

REMEDIES = {
    HIDDEN: "name a Jinja file without that as `chat_template`",
    ENDLESS: "name a Jinja file that ends a turn with the tokenizer's end token as `chat_template`",
    INSERTED: "name a Jinja file without that as `chat_template`",
    UNRENDERED: "name another Jinja file as `chat_template`, or drop those rows",
    UNPLACED: "name a Jinja file that keeps the answer's text as `chat_template`",
    OUTSIDE: "the segments count characters of the assistant turn; write them again",
    NO_ANSWER: "drop those rows",
    NO_PAIR: "drop those rows",
    NO_WEIGHT: "drop those rows or write a number",
    NOTHING: "drop those rows, or mask less of them",
}

SAMPLES = (
    "Wait, 12+3=15.\n\nSo [a] is (3) and 7*8 = 56.",
    "naïve café \U0001f600 的\n\n\n  indented\ttext",
    "<think>\nLet me see.\n</think>\n\nThe answer is \\boxed{42}.",
)
"""Digits, brackets, blank lines, accents and markup: where a replaced pre-tokenizer shows."""


def check_tokenizer(tokenizer: Any, config: TrainConfig) -> None:
    """Raises TrainError for a model that cannot be taught a chat, or whose tokenizer changes when it is loaded."""
    if not tokenizer.chat_template:
        raise TrainError(f"model: {config.model} has no chat template; name a Jinja file as `chat_template`")
    if not tokenizer.is_fast:
        raise TrainError(f"model: {config.model} has no fast tokenizer, which character spans need; convert it first")
    if tokenizer.eos_token_id is None:
        raise TrainError(f"model: the tokenizer of {config.model} has no end token; set `eos_token` in its config")
    changed = _changed_by_loading(tokenizer, Path(config.model)) or _changed_by_saving(tokenizer)
    if changed:
        raise TrainError(
            f"model: the tokenizer of {config.model} encodes {changed[0]!r} in another way {changed[1]}; its class "
            "replaces the pre-tokenizer of its `tokenizer.json`, so name the class `PreTrainedTokenizerFast` in its "
            "`tokenizer_config.json`"
        )


def _changed_by_loading(tokenizer: Any, folder: Path) -> tuple[str, str] | None:
    """The text, if any, that the file `tokenizer.json` and the class loaded from it encode differently."""
    from tokenizers import Tokenizer

    if not (folder / "tokenizer.json").is_file():
        return None
    stored = Tokenizer.from_file(str(folder / "tokenizer.json"))
    stored.no_padding()
    stored.no_truncation()
    for text in SAMPLES:
        if stored.encode(text, add_special_tokens=False).ids != tokenizer.encode(text, add_special_tokens=False):
            return text, "than the file that it was loaded from"
    return None


def _changed_by_saving(tokenizer: Any) -> tuple[str, str] | None:
    from transformers import AutoTokenizer

    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        again = AutoTokenizer.from_pretrained(folder)
    for text in SAMPLES:
        if again.encode(text, add_special_tokens=False) != tokenizer.encode(text, add_special_tokens=False):
            return text, "once it is saved and loaded again"
    return None


def check_examples(examples: Examples, config: TrainConfig) -> None:
    """Raises TrainError for the first fault of the set or the template, or for too large a share of long rows."""
    n_rows = examples.n_rows
    for fault, count in examples.faults.items():
        if fault in LEFT_OUT:
            continue
        raise TrainError(f"data: in {count} of {n_rows} rows {fault}; {REMEDIES[fault]}")
    n_long = examples.faults.get(TOO_LONG, 0)
    if n_long > config.max_share_cut * n_rows:
        raise TrainError(
            f"max_length: {config.max_length} tokens would cut {n_long} of {n_rows} rows ({n_long / n_rows:.1%}), more "
            f"than `max_share_cut` {config.max_share_cut:.1%}; raise `max_length`, or `max_share_cut` to leave them out"
        )
    if not len(examples.rows):
        raise TrainError(f"data: all {n_rows} rows are left out ({_counted(examples.faults)}); nothing to train on")


def rows_stay_apart(model: "PreTrainedModel", first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether the model's attention keeps two rows of one packed sequence apart.

    TRL hands packed rows over as one sequence whose position numbers start again at each row. Kernels of variable
    lengths (flash attention) and transformers' own masks (`sdpa`, `eager`) read the borders from them; an architecture
    that builds its mask in another way would let rows see each other, and nothing would say so.
    """
    import torch

    def last_logits(ids: list[int], positions: list[int]) -> torch.Tensor:
        tensors = {"input_ids": torch.tensor([ids]), "position_ids": torch.tensor([positions])}
        on_device = {name: tensor.to(model.device) for name, tensor in tensors.items()}
        with torch.no_grad():
            return model(**on_device, use_cache=False).logits[0, -len(second) :].float()

    training = model.training
    model.eval()
    numbers = [*range(len(first)), *range(len(second))]
    packed, alone = last_logits([*first, *second], numbers), last_logits([*second], numbers[len(first) :])
    model.train(training)
    return torch.allclose(packed, alone, rtol=0.02, atol=0.02 * float(alone.abs().max()))


def _counted(faults: dict[str, int]) -> str:
    return ", ".join(f"{count} {fault}" for fault, count in faults.items())
