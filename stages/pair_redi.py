"""A right and a wrong trace of each problem, and their weights for training on both, after REDI.

    first correct sample, first wrong sample ──> one pair `redi`; `weight` 1 on the right one, -alpha on the wrong one

Source: REDI (arXiv 2505.24850; code Tim-Siu/reinforcement-distillation): after SFT on the right traces, the loss
-log p(right)/|right| + alpha log p(wrong)/|wrong| with alpha 0.8 and no reference model, which is weighted SFT with
weights 1 and -0.8. There the right trace is the first that a rule and a judge accept, the wrong one the first that
neither does; here the verdict decides, and problems stay out whose prompt is over 800 tokens or whose traces are over
19,000. A problem without a wrong trace keeps its right one with weight 1, for the first stage of training. All other
traces have no weight: reject them with the rule {column: weight, is_null: false}.

The loss is unstable at alpha 1 in the paper. Training on negative weights needs a trainer that knows them; the exports
leave such rows out.
"""

from typing import ClassVar

from pydantic import Field

from pipeline.stage import Group, Row
from schemas import tokens
from schemas.columns import PAIR_COLUMNS, WEIGHT, Column
from stages.preferences import PAIR_READS, PAIR_READS_IF_PRESENT, contenders, n_tokens, whole_pair, written


class PairRedi(Group):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = (*PAIR_READS, "problem", "parent_id", "sample_index")
    reads_if_present: ClassVar[tuple[str, ...]] = PAIR_READS_IF_PRESENT
    writes: ClassVar[tuple[Column, ...]] = (*PAIR_COLUMNS, WEIGHT)

    alpha: float = Field(default=0.8, ge=0, le=1)
    """How strongly the wrong trace is unlearned."""
    max_problem_tokens: int = Field(default=800, ge=1)
    """Longest problem that takes part, in tokens."""
    max_tokens: int = Field(default=19_000, ge=1)
    """Longest trace that takes part, thinking and response, in tokens."""

    def run(self, rows: list[Row]) -> list[Row]:
        field = contenders([row for row in rows if row["parent_id"] is None and n_tokens(row) <= self.max_tokens])
        if self._is_long(rows[0]):
            return self._weighted(rows, None, None, "the problem is too long")
        right, wrong = _first(field.correct), _first(field.wrong)
        if right is None:
            return self._weighted(rows, None, None, "no correct trace")
        return self._weighted(rows, right, wrong, "no wrong trace")

    def _is_long(self, row: Row) -> bool:
        counter = row["token_counter"] or tokens.ESTIMATE
        return tokens.counter(counter)(row["problem"]) > self.max_problem_tokens

    def _weighted(self, rows: list[Row], right: Row | None, wrong: Row | None, reason: str) -> list[Row]:
        made = [(right["trace_id"], whole_pair("redi", right, wrong))] if right and wrong else []
        weights = ({right["trace_id"]: 1.0} if right else {}) | ({wrong["trace_id"]: -self.alpha} if wrong else {})
        found = written(rows, made, f"pair_redi: {reason}")
        return [line | {WEIGHT.name: weights.get(row["trace_id"])} for row, line in zip(rows, found, strict=True)]


def _first(rows: list[Row]) -> Row | None:
    """The sample with the smallest index."""
    return min(rows, key=lambda row: (row["sample_index"] or 0, row["trace_id"]), default=None)
