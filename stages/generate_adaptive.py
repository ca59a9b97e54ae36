"""Samples teacher traces in rounds, and stops at each problem once more of them would tell little.

    problem ── next round of requests, those of `generate` ──> traces ── verified as `verify` would ──> enough? ──> rows
                    ^────────────────────────────── no, and the budget is not spent ─────────────────────┘

A problem is done when its pass rate is known well enough (`interval`: the 95 % Wilson interval is narrow), when enough
short correct traces exist (`short`), or when it has had the number of samples that `generate` would take (`budget`).
Sample i of a problem is the same call as in `generate`, so that changing between the two, or a rule, pays for nothing
twice. The rounds of one problem follow each other; the engine is kept busy by the other problems.

The verdicts only decide when to stop: the rows go on to `verify`, which finds the same. A rule that stops at successes
makes the pass rate look higher than it is (`python -m benchmarks.adaptive_sampling` prints by how much); set
`enough_short: 0` where the pass rate itself is what matters. Not covered: shifting samples between problems.
"""

import asyncio
from typing import ClassVar

from pydantic import Field

from pipeline.engines.engine import NamedEngine
from pipeline.stage import Row
from schemas.columns import ADAPTIVE_COLUMNS, TRACE_COLUMNS, Column
from schemas.verdict import Outcome
from schemas.wilson import wilson_interval
from stages.generate import Generate
from stages.grade_pass_rate import COUNTED
from stages.verify import Verify


class GenerateAdaptive(Generate):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("problem_id", "problem", "answer", "kind")
    reads_if_present: ClassVar[tuple[str, ...]] = Verify.reads_if_present
    writes: ClassVar[tuple[Column, ...]] = (*TRACE_COLUMNS, *ADAPTIVE_COLUMNS)

    samples: int = Field(default=16, ge=1, le=1024)
    """Most traces per problem: the fixed number that the saving is measured against."""
    samples_per_round: int = Field(default=4, ge=1, le=1024)
    """Traces that are sampled before the rules are asked again."""
    max_interval_width: float = Field(default=0.5, ge=0, le=1)
    """Width of the pass rate's 95 % interval at which a problem is done: 0.5 takes 4 traces that agree, 12 that are
    half right; 0 never stops a problem."""
    min_correct: int = Field(default=1, ge=0)
    """Correct traces without which a narrow interval stops no problem; at 0, unsolved ones are given up early."""
    enough_short: int = Field(default=2, ge=0)
    """Short correct traces at which a problem is done; 0 never stops a problem."""
    short_tokens: int = Field(default=1000, ge=0)
    """Longest reasoning that counts as short, in tokens of the token counter."""
    verify: Verify = Verify()
    """How traces are verified between rounds; as the `verify` node of the recipe."""

    def code_identity(self) -> dict[str, str]:
        return self.verify.code_identity()

    async def run(self, row: Row, engine: NamedEngine) -> list[Row]:  # type: ignore[override]
        traces, outcomes = list[Row](), list[str]()
        while not (stopped_by := self.stopped_by(outcomes, [trace["n_reasoning_tokens"] for trace in traces])):
            indices = range(len(traces), min(len(traces) + self.samples_per_round, self.samples))
            completions = await asyncio.gather(*(engine.generate(self._request(row, index)) for index in indices))
            sampled = [self._trace(row, *pair, engine) for pair in zip(indices, completions, strict=True)]
            outcomes += await asyncio.gather(*(asyncio.to_thread(self._outcome, row, trace) for trace in sampled))
            traces += sampled
        found = {"n_samples": len(traces), "max_samples": self.samples, "stopped_by": stopped_by}
        return [trace | found for trace in traces]

    def stopped_by(self, outcomes: list[str], lengths: list[int]) -> str:
        """The rule that ends the sampling after these outcomes, with reasoning of these lengths in tokens, or empty."""
        n_rollouts = sum(outcome in COUNTED for outcome in outcomes)
        n_correct = outcomes.count(Outcome.CORRECT.value)
        short = zip(outcomes, lengths, strict=True)
        n_short = sum(outcome == Outcome.CORRECT.value and length <= self.short_tokens for outcome, length in short)
        if self.enough_short and n_short >= self.enough_short:
            return "short"
        if n_rollouts and n_correct >= self.min_correct and self._is_narrow(n_correct, n_rollouts):
            return "interval"
        return "budget" if len(outcomes) >= self.samples else ""

    def _is_narrow(self, n_correct: int, n_rollouts: int) -> bool:
        low, high = wilson_interval(n_correct / n_rollouts, n_rollouts)
        return high - low <= self.max_interval_width

    def _outcome(self, row: Row, trace: Row) -> str:
        return self.verify.run(row | trace)["outcome"]
