"""What every `pair_*` stage shares: which traces may stand in a pair, how long they are, and how a pair is written.

    rows of a problem ── contenders ──> correct, wrong ── a stage's rule ──> (winner, loser) ── written ──> `pairs`

A pair names two traces by id and copies no text: the release looks the texts up among the rows of the problem
(`schemas.release`). It stands on the trace that wins, so whatever rejects that trace takes the pair with it. A stage
adds to the pairs of the stages above it. A problem without a pair gets the reason in `unpaired`.

No trace that something has rejected takes part, nor one that was cut off: it has no end that could be preferred, and
closing its thought would put words into its mouth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.stage import Row
from schemas.columns import PAIRS, REJECTED_BY, UNPAIRED
from schemas.verdict import Outcome

PAIR_READS = (
    "problem_id", "trace_id", "outcome", "finish_reason", "token_counter", "n_reasoning_tokens", "n_response_tokens",
)  # fmt: skip
PAIR_READS_IF_PRESENT = (REJECTED_BY.name, PAIRS.name, UNPAIRED.name)
WRONG = (Outcome.INCORRECT, Outcome.UNPARSED)
"""Verdicts on the answer; a timeout or a crash says nothing about it."""


@dataclass(frozen=True)
class Contenders:
    """The traces of a problem that may stand in a pair, shortest first; equal lengths by id."""

    correct: list[Row] = field(default_factory=list)
    wrong: list[Row] = field(default_factory=list)


def check_counters(rows: Sequence[Row]) -> None:
    """Raises ValueError for traces that different tokenizers have counted: their lengths cannot be compared."""
    counters = sorted({row["token_counter"] for row in rows if row["token_counter"]})
    if len(counters) > 1:
        raise ValueError(f"its traces are counted by {counters[0]} and {counters[1]}; set one `token_counter` for all")


def contenders(rows: Sequence[Row]) -> Contenders:
    """Raises ValueError as `check_counters` does."""
    check_counters(rows)
    whole = sorted((row for row in rows if is_whole(row)), key=lambda row: (n_tokens(row), row["trace_id"]))
    return Contenders(
        [row for row in whole if row["outcome"] == Outcome.CORRECT], [row for row in whole if row["outcome"] in WRONG]
    )


def is_whole(row: Row) -> bool:
    """Not rejected and not cut off."""
    return not row.get(REJECTED_BY.name) and row["finish_reason"] != "length"


def n_tokens(row: Row) -> int:
    """Length of the whole completion, thinking and response."""
    return (row["n_reasoning_tokens"] or 0) + (row["n_response_tokens"] or 0)


def whole_pair(kind: str, winner: Row, loser: Row) -> Row:
    """A pair of whole traces."""
    return {
        "pair_kind": kind,
        "chosen_id": winner["trace_id"],
        "rejected_id": loser["trace_id"],
        "prefix": "",
        "chosen_text": None,
        "rejected_text": None,
        "n_chosen_tokens": n_tokens(winner),
        "n_rejected_tokens": n_tokens(loser),
    }


def written(rows: Sequence[Row], made: Sequence[tuple[str, Row]], reason: str) -> list[Row]:
    """The columns of every row: earlier pairs, and those of `made`, each with the id of the trace that carries it.

    `reason` says why the stage made none, as `stage: reason`; it counts only if `made` is empty.
    """
    found: list[Row] = []
    for row in rows:
        pairs = [*(row.get(PAIRS.name) or []), *(pair for carrier, pair in made if carrier == row["trace_id"])]
        unpaired = [*(row.get(UNPAIRED.name) or []), *([] if made else [reason])]
        found.append({PAIRS.name: pairs or None, UNPAIRED.name: unpaired or None})
    return found
