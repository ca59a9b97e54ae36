"""Problems for open-instruct's RLVR trainers: `messages`, `ground_truth`, and `dataset`, which names the verifier.

    math, choice ──> math        stdin and stdout ──> code_stdio        asserts ──> code

As its `rlvr_tokenize_v3` and `ground_truth_utils` read them (allenai/open-instruct e6c3044). A code problem's ground
truth is JSON, asked of its test server: cases with input and output, or texts with asserts.
"""

import json
from typing import Any

import pyarrow as pa

from schemas.problem import Kind
from trainer.export.code_tests import assert_texts, stdio_cases, suite_of
from trainer.export.target import TEXT, TURNS, LeftOut, Options, Row, Target, prompt_of
from verifiers.code.suite import AssertSuite, StdioSuite

SCHEMA = pa.schema(
    [
        pa.field("messages", TURNS),
        pa.field("ground_truth", TEXT),
        pa.field("dataset", TEXT),
        pa.field("dataset_source", TEXT),
        pa.field("problem_id", TEXT),
    ]
)


def convert(row: Row, index: int, options: Options) -> dict[str, Any]:
    verifier, ground_truth = _checked_by(row, options)
    return {
        "messages": prompt_of(row, options),
        "ground_truth": ground_truth,
        "dataset": options.data_source or verifier,
        "dataset_source": row["source"],
        "problem_id": row["problem_id"],
    }


def _checked_by(row: Row, options: Options) -> tuple[str, str]:
    """(name of the verifier, what it is given)."""
    if row["kind"] == Kind.CODE:
        suite = suite_of(row)
        if isinstance(suite, StdioSuite):
            return "code_stdio", json.dumps(stdio_cases(suite), ensure_ascii=False)
        if isinstance(suite, AssertSuite):
            return "code", json.dumps(assert_texts(suite), ensure_ascii=False)
        raise LeftOut("its tests call a function")
    if not row["answer"]:
        raise LeftOut("it has no answer")
    if row["kind"] == Kind.OPEN and not options.data_source:
        raise LeftOut("no rule judges an open question; name its verifier as `data_source`")
    return "math", row["answer"]


TARGETS = (Target("rl", convert, SCHEMA, ("messages.list.element.content", "ground_truth", "problem_id")),)
