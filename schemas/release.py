"""Release formats: one declared Arrow schema each, the same in every shard, on the card and in `dataset.json`.

    row of the rollout bank, all rows of its problem -> ReleaseFormat.rows -> Arrow table -> shards (`stages.shard`)

    sft         a trace: messages with the thinking rendered, its parts, weight, masked segments, mode, place in order
    preference  a pair of `pairs`: prompt, chosen, rejected; the texts are looked up among the rows of the problem
    rl          a problem: prompt, what its verifier needs, pass rate, lengths of its correct traces

No field is ever null-typed or left out: a column that a recipe did not fill is there under its type, all null. Each row
carries its provenance, so that any one of them can be traced back, judged or removed without the run that made it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median_low
from typing import Any

import pyarrow as pa

from schemas import columns as c
from schemas.columns import Column
from schemas.markup import render_completion
from schemas.verdict import Outcome

_TURN = pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())])
MESSAGES = Column("messages", pa.list_(_TURN), "turns", "The problem, then thinking and response in one rendered turn.")
RECIPE_DIGEST = Column("recipe_digest", pa.string(), "hex digits", "Digest of the recipe that made the dataset.")
PROVENANCE_COLUMNS = (
    c.MODEL, c.MODEL_REVISION, c.PROMPT_DIGEST, c.SAMPLING, c.SEED, c.SAMPLE_INDEX, c.METHOD, c.LINEAGE, c.PARENT_ID,
    c.FINISH_REASON, c.OUTCOME, c.ANSWER_FOUND, c.VERIFIER, c.VERDICT_ORIGIN, RECIPE_DIGEST,
)  # fmt: skip
PROVENANCE = Column(
    "provenance",
    pa.struct([column.field for column in PROVENANCE_COLUMNS]),
    "struct",
    "What wrote the text, how it was edited, and who judged it.",
)


PROMPT = Column("prompt", pa.list_(_TURN), "turns", "The problem in one user turn, without a system prompt.")
CHOSEN = Column("chosen", pa.list_(_TURN), "turns", "The preferred turn; behind a prefix only what follows it.")
REJECTED = Column("rejected", pa.list_(_TURN), "turns", "The turn that loses; behind a prefix only what follows it.")
REJECTED_MODEL = Column("rejected_model", pa.string(), "name", "The model behind the trace that loses.")
REJECTED_METHOD = Column("rejected_method", pa.string(), "name", "What made the trace that loses.")
REJECTED_OUTCOME = Column("rejected_outcome", pa.string(), "Outcome", "The verdict on the trace that loses.")
PASS_N = Column("pass_n", pa.int32(), "traces", "Graded first traces behind `pass_rate`.")
PASS_MODEL = Column("pass_model", pa.string(), "names", "Models that wrote those traces, in order, with commas.")
REF_LEN = Column("ref_len", pa.int32(), "tokens", "Shortest correct trace, thinking and response; null without one.")
REF_LEN_P50 = Column("ref_len_p50", pa.int32(), "tokens", "Median of the correct first traces, the lower of two.")


Row = Mapping[str, Any]
Rows = Callable[[Row, Sequence[Row], str], Iterator[dict[str, Any] | ValueError]]
"""(a row, all rows of its problem, digest of the recipe) -> released rows, or why one cannot be released."""


@dataclass(frozen=True)
class ReleaseFormat:
    name: str
    columns: tuple[Column, ...]
    texts: tuple[str, ...]
    """Parquet paths of long or unique texts, where a dictionary would cost time and save nothing."""
    rows: Rows
    needed: frozenset[str]
    """Columns of the rollout bank without which no row can be made."""
    used: frozenset[str]
    """Further columns of the bank that a row is made from, where they exist."""
    per_problem: bool = False
    """One row for each problem, not for each trace."""

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field for column in self.columns])

    def describe(self) -> list[dict[str, Any]]:
        """Name, type, unit and sentence of each column, and of the fields of `provenance`; JSON types only."""
        return [_describe(column) for column in self.columns]


def release_row(row: Row, recipe_digest: str) -> dict[str, Any]:
    """A row of the SFT format. Raises ValueError for a row that cannot be rendered."""
    turn = completion_of(row)
    if outside := [span for span in row.get("segments") or () if not 0 <= span["start"] <= span["end"] <= len(turn)]:
        raise ValueError(f"the segment {outside[0]['start']}..{outside[0]['end']} lies outside the turn")
    own = {MESSAGES.name: [*_prompt(row), _assistant(turn)], PROVENANCE.name: _provenance(row, recipe_digest)}
    return {column.name: row.get(column.name) for column in SFT.columns} | own


def completion_of(row: Row) -> str:
    """The whole assistant turn. Raises ValueError for a row without a response, or whose thought would end early."""
    if row["response"] is None:
        raise ValueError("the row has no response")
    return row.get("completion") or render_completion(row["reasoning"] or "", row["response"])


def _sft_rows(row: Row, of_problem: Sequence[Row], recipe_digest: str) -> Iterator[dict[str, Any] | ValueError]:
    yield release_row(row, recipe_digest)


def _preference_rows(row: Row, of_problem: Sequence[Row], recipe_digest: str) -> Iterator[dict[str, Any] | ValueError]:
    traces = {other["trace_id"]: other for other in of_problem}
    for pair in row.get("pairs") or ():
        try:
            yield _preference_row(row, pair, traces, recipe_digest)
        except ValueError as unfit:
            yield ValueError(f"{pair['pair_kind']}: {unfit}")


def _preference_row(row: Row, pair: Row, traces: Mapping[str, Row], recipe_digest: str) -> dict[str, Any]:
    if pair["rejected_id"] not in traces:
        raise ValueError(f"the trace {pair['rejected_id']} is gone")
    loser = traces[pair["rejected_id"]]
    chosen = completion_of(row) if pair["chosen_text"] is None else pair["chosen_text"]
    rejected = completion_of(loser) if pair["rejected_text"] is None else pair["rejected_text"]
    known = {column.name: row.get(column.name) for column in PREFERENCE.columns}
    return (
        known
        | {column.name: pair[column.name] for column in PREFERENCE.columns if column.name in pair}
        | {PROMPT.name: _prompt(row), CHOSEN.name: [_assistant(chosen)], REJECTED.name: [_assistant(rejected)]}
        | {REJECTED_MODEL.name: loser.get("model"), REJECTED_METHOD.name: loser.get("method")}
        | {REJECTED_OUTCOME.name: loser.get("outcome"), PROVENANCE.name: _provenance(row, recipe_digest)}
    )


def _rl_rows(row: Row, of_problem: Sequence[Row], recipe_digest: str) -> Iterator[dict[str, Any] | ValueError]:
    if not (row["answer"] or row["tests"]):
        yield ValueError("the problem has neither an answer nor tests, so nothing can reward it")
        return
    first = [other for other in of_problem if other.get("trace_id") and other.get("parent_id") is None]
    models = sorted({other["model"] for other in first if other.get("model")})
    lengths, first_lengths = _correct_lengths(of_problem), _correct_lengths(first)
    own = {
        PROMPT.name: _prompt(row),
        PASS_N.name: row.get("n_rollouts"),
        PASS_MODEL.name: ", ".join(models) or None,
        REF_LEN.name: lengths[0] if lengths else None,
        REF_LEN_P50.name: median_low(first_lengths) if first_lengths else None,
        RECIPE_DIGEST.name: recipe_digest,
    }
    yield {column.name: row.get(column.name) for column in RL.columns} | own


def _correct_lengths(rows: Sequence[Row]) -> list[int]:
    """Tokens of the complete correct traces, in order."""
    right = (row for row in rows if row.get("outcome") == Outcome.CORRECT and row.get("finish_reason") != "length")
    return sorted((row["n_reasoning_tokens"] or 0) + (row["n_response_tokens"] or 0) for row in right)


def _prompt(row: Row) -> list[dict[str, str]]:
    return [{"role": "user", "content": row["problem"]}]


def _assistant(turn: str) -> dict[str, str]:
    return {"role": "assistant", "content": turn}


def _provenance(row: Row, recipe_digest: str) -> dict[str, Any]:
    return {column.name: row.get(column.name) for column in PROVENANCE_COLUMNS} | {RECIPE_DIGEST.name: recipe_digest}


def leaves(fields: pa.Schema | pa.StructType, prefix: str = "") -> Iterator[str]:
    """Parquet paths of the columns that hold values."""
    for field in fields:
        path, type_ = prefix + field.name, field.type
        while pa.types.is_list(type_):
            path, type_ = f"{path}.list.element", type_.value_type
        yield from leaves(type_, f"{path}.") if pa.types.is_struct(type_) else (path,)


def _describe(column: Column) -> dict[str, Any]:
    line: dict[str, Any] = {"name": column.name, "type": str(column.type), "unit": column.unit, "doc": column.doc}
    return line | {"fields": [_describe(field) for field in PROVENANCE_COLUMNS]} if column is PROVENANCE else line


def _names(*columns: Column) -> frozenset[str]:
    return frozenset(column.name for column in columns)


_OF_PROBLEM, _OF_TRACE = _names(*c.PROBLEM_COLUMNS), _names(*c.TRACE_COLUMNS)
"""Every table has the columns of the problem, every table of traces those of the trace; all others, by recipe."""
_PROVENANCE = _names(*PROVENANCE_COLUMNS) - {RECIPE_DIGEST.name}
_PAIR = {column.name: column for column in c.PAIR_FIELDS}

_SFT_COLUMNS = (
    c.PROBLEM_ID, c.TRACE_ID, MESSAGES, c.PROBLEM, c.ANSWER, c.KIND, c.REASONING, c.RESPONSE,
    c.N_REASONING_TOKENS, c.N_RESPONSE_TOKENS, c.N_SOURCE_TOKENS, c.TOKEN_COUNTER,
    c.WEIGHT, c.SEGMENTS, c.MODE, c.POSITION, *c.GRADE_COLUMNS, c.LEVEL, c.SOURCE, c.SOURCE_ID, c.LICENSE, PROVENANCE,
)  # fmt: skip
_SFT_INPUTS = (_names(*_SFT_COLUMNS) | _PROVENANCE | {c.COMPLETION.name}) - {MESSAGES.name, PROVENANCE.name}
SFT = ReleaseFormat(
    "sft",
    _SFT_COLUMNS,
    ("problem_id", "trace_id", "messages.list.element.content", "problem", "reasoning", "response"),
    _sft_rows,
    needed=_SFT_INPUTS & (_OF_PROBLEM | _OF_TRACE),
    used=_SFT_INPUTS - (_OF_PROBLEM | _OF_TRACE),
)

_PREFERENCE_COLUMNS = (
    c.PROBLEM_ID, _PAIR["pair_kind"], PROMPT, CHOSEN, REJECTED, _PAIR["prefix"], _PAIR["n_chosen_tokens"],
    _PAIR["n_rejected_tokens"], c.TOKEN_COUNTER, _PAIR["chosen_id"], _PAIR["rejected_id"], c.PROBLEM, c.ANSWER, c.KIND,
    REJECTED_MODEL, REJECTED_METHOD, REJECTED_OUTCOME, c.PASS_RATE, c.LEVEL, c.SOURCE, c.SOURCE_ID, c.LICENSE,
    PROVENANCE,
)  # fmt: skip
_PREFERENCE_NEEDS = {"trace_id", "model", "reasoning", "response", "token_counter", c.PAIRS.name}
PREFERENCE = ReleaseFormat(
    "preference",
    _PREFERENCE_COLUMNS,
    ("problem_id", *(f"{turns}.list.element.content" for turns in ("prompt", "chosen", "rejected")), "prefix",
     "chosen_id", "rejected_id", "problem"),
    _preference_rows,
    needed=(_names(*_PREFERENCE_COLUMNS) & _OF_PROBLEM) | (_PROVENANCE & _OF_TRACE) | _PREFERENCE_NEEDS,
    used=frozenset({c.COMPLETION.name, c.PASS_RATE.name, c.LEVEL.name}) | (_PROVENANCE - _OF_TRACE),
)  # fmt: skip

_RL_COLUMNS = (
    c.PROBLEM_ID, PROMPT, c.PROBLEM, c.ANSWER, c.KIND, c.TESTS, c.CHOICES, c.META, c.PASS_RATE, PASS_N, PASS_MODEL,
    REF_LEN, REF_LEN_P50, c.TOKEN_COUNTER, c.DIFFICULTY, c.LEVEL, c.SOURCE, c.SOURCE_ID, c.LICENSE, RECIPE_DIGEST,
)  # fmt: skip
_RL_USES = {
    "trace_id", "parent_id", "model", "token_counter", "finish_reason", "n_reasoning_tokens", "n_response_tokens",
    "outcome", "pass_rate", "n_rollouts", "difficulty", "level",
}  # fmt: skip
RL = ReleaseFormat(
    "rl",
    _RL_COLUMNS,
    ("problem_id", "prompt.list.element.content", "problem", "answer", "tests", "meta"),
    _rl_rows,
    needed=_OF_PROBLEM,
    used=frozenset(_RL_USES),
    per_problem=True,
)
FORMATS = {form.name: form for form in (SFT, PREFERENCE, RL)}
