r"""All three releases in TRL's own formats (TRL 1.16, "Dataset formats and types").

    sft         ──> messages, or prompt and completion        SFTTrainer
    preference  ──> prompt, chosen, rejected                  DPOTrainer
    rl          ──> prompt, solution and what a reward needs  GRPOTrainer; further columns reach reward functions

`solution` is the gold in a \boxed{}, as `trl.rewards.accuracy_reward` reads it, and null for code. The trainer of this
project reads releases as they are, with weights, masks and prefixes, and needs no export.
"""

from typing import Any

import pyarrow as pa

from schemas.problem import Kind
from schemas.release import RL
from trainer.export.target import TEXT, TURNS, LeftOut, Options, Row, Target, check_plain, check_whole, prompt_of

_ID = pa.field("problem_id", TEXT)
MESSAGES = pa.schema([pa.field("messages", TURNS), _ID])
COMPLETIONS = pa.schema([pa.field("prompt", TURNS), pa.field("completion", TURNS), _ID])
PAIRS = pa.schema([pa.field(name, TURNS) for name in ("prompt", "chosen", "rejected")] + [_ID])
_FOR_REWARDS = ("answer", "kind", "tests", "choices", "meta", "pass_rate", "ref_len", "ref_len_p50", "level", "source")
PROMPTS = pa.schema(
    [pa.field("prompt", TURNS), pa.field("solution", TEXT), *(RL.schema.field(name) for name in _FOR_REWARDS), _ID]
)


def convert_trace(row: Row, index: int, options: Options) -> dict[str, Any]:
    check_plain(row)
    return {name: row[name] for name in MESSAGES.names}


def convert_completion(row: Row, index: int, options: Options) -> dict[str, Any]:
    check_plain(row)
    *prompt, answer = row["messages"]
    return {"prompt": prompt, "completion": [answer], "problem_id": row["problem_id"]}


def convert_pair(row: Row, index: int, options: Options) -> dict[str, Any]:
    check_whole(row)
    return {name: row[name] for name in PAIRS.names}


def convert_problem(row: Row, index: int, options: Options) -> dict[str, Any]:
    if row["kind"] != Kind.CODE and not row["answer"]:
        raise LeftOut("it has no answer")
    solution = None if row["kind"] == Kind.CODE else f"\\boxed{{{row['answer']}}}"
    known = {name: row[name] for name in (*_FOR_REWARDS, "problem_id")}
    return known | {"prompt": prompt_of(row, options), "solution": solution}


def _contents(*columns: str) -> tuple[str, ...]:
    return (*(f"{column}.list.element.content" for column in columns), "problem_id")


TARGETS = (
    Target("sft", convert_trace, MESSAGES, _contents("messages")),
    Target("preference", convert_pair, PAIRS, _contents("prompt", "chosen", "rejected")),
    Target("rl", convert_problem, PROMPTS, _contents("prompt")),
)
COMPLETION_TARGETS = (Target("sft", convert_completion, COMPLETIONS, _contents("prompt", "completion")),)
