"""Preference pairs of single steps after Step-DPO: a wrong trace's first wrong step against a right one in its place.

    wrong trace ──┬─ audit: first step with a false statement ─────────────────────┐
                  └─ value: last step behind which no rollout ends correct any more ┴─> fork
      fork ── a correct trace with the same beginning, else the model goes on from there ──> next step of a correct one
           ──> prefix, chosen step, rejected step

Source: Step-DPO (arXiv 2406.18629; code dvlab-research/Step-DPO). There a strong model with the reference reads the
steps of a wrong solution and names the first wrong one; the policy samples 20 continuations of what stands before it,
and the first step of a correct one is chosen: its own words, which work better than those of a stronger model. Here the
wrong step is found without a judge, by rollouts in a bisection (as in OmegaPRM, arXiv 2406.06592: with n steps about
log2(n) + 2 values of `n_rollouts` each) or by the arithmetic audit. `engine` should be the model that is to be trained.

A pair stands on the wrong trace. Its texts are bare steps behind `prefix`, no whole answers: nothing may end them.
Blind spots: a value of 0 from few rollouts may be bad luck; a step can be poor without being wrong.
"""

import asyncio
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.engines.engine import NamedEngine, Sampling
from pipeline.errors import RequestRefused
from pipeline.seeds import derive_seed
from pipeline.stage import Group, Row
from schemas.columns import PAIR_COLUMNS, Column
from schemas.markup import parse_completion
from schemas.trace import Step, segment
from schemas.verdict import Outcome
from stages.pair_step_siblings import audited_fork
from stages.preferences import PAIR_READS, PAIR_READS_IF_PRESENT, contenders, written
from stages.prefix_evaluator import Continues, MeteredEngine, Mode, Prefix, PrefixEvaluator, nested, problem_of
from stages.step_pairs import Fork
from stages.surprisal import PREFILL
from verifiers.audit import version


class PairStep(Continues, Group):
    version: ClassVar[int] = 1
    reads_if_present: ClassVar[tuple[str, ...]] = (*PAIR_READS_IF_PRESENT, "tests", "choices", "meta")
    writes: ClassVar[tuple[Column, ...]] = PAIR_COLUMNS

    error_by: Literal["value", "audit"] = "value"
    """What finds the wrong step: rollouts, or the column `first_false_step` of `audit_steps`."""
    siblings: bool = True
    """Takes the next step of a correct trace with the same beginning where there is one, which costs nothing."""
    n_rollouts: int = Field(default=8, ge=1, le=64)
    """Rollouts behind each prefix that is valued."""
    n_continuations: int = Field(default=20, ge=1, le=256)
    """Continuations of the prefix from which the chosen step is taken; 20 in the paper."""
    max_pairs: int = Field(default=1, ge=1)
    """Wrong traces of a problem that get a pair, shortest first; the paper takes one."""
    temperature: float = Field(default=0.8, gt=0, le=2)
    """Of rollouts and continuations; 0.8 in the paper."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Samples from the smallest set of tokens with this much probability."""
    max_tokens: int = Field(default=8192, ge=1)
    """Longest rollout, thinking and response, in tokens."""
    seed: int = 0
    """Seed that the calls' seeds are derived from; the recipe's, unless set here."""

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        audited = ("first_false_step",) if self.error_by == "audit" else ()
        return (*PAIR_READS, "problem", "answer", "kind", "reasoning", *audited)

    @property
    def _sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)

    def code_identity(self) -> dict[str, str]:
        return super().code_identity() | {"audit": version()}

    async def run(self, rows: list[Row], engine: NamedEngine) -> list[Row]:  # type: ignore[override]
        field, metered = contenders(rows), MeteredEngine(engine)
        made: list[tuple[str, Row]] = []
        reason = "no wrong trace"
        for row in field.wrong:
            if len(made) == self.max_pairs:
                break
            try:
                reason, pair = await self._pair(row, field.correct, metered)
            except RequestRefused as refused:  # longer than the context, most of all
                reason, pair = f"refused: {refused}", None
            made += [(row["trace_id"], pair)] if pair else []
        return written(rows, made, f"pair_step: {reason}")

    async def _pair(self, row: Row, correct: list[Row], engine: MeteredEngine) -> tuple[str, Row | None]:
        """(why there is no pair, the pair)."""
        reason, fork = await self._fork(row, engine)
        if fork is None:
            return reason, None
        if self.siblings and (found := fork.step_of_sibling(correct)):
            return "", fork.pair(found[0], found[1]["trace_id"])
        step = await self._continued(fork, engine)
        return ("no continuation of its right steps is correct", None) if step is None else ("", fork.pair(step, None))

    async def _fork(self, row: Row, engine: MeteredEngine) -> tuple[str, Fork | None]:
        """(why there is no fork, the fork)."""
        if self.error_by == "audit":
            return "no false statement in its reasoning", audited_fork(row)
        steps = segment(row["reasoning"] or "")
        if not steps:
            return "no reasoning", None
        evaluator = PrefixEvaluator(self, engine, self._sampling, derive_seed(self.seed, "pair_step", "value"))
        problem = problem_of(row)
        start, end = await evaluator.values(problem, steps, [0, len(steps)], self.n_rollouts, Mode.ROLLOUT)
        if not start.share_correct:
            return "the model cannot solve it from the start", None
        if end.share_correct:
            return "its whole reasoning can still end correct", None
        return "", Fork(row, await self._last_hope(problem, steps, evaluator))

    async def _last_hope(self, problem: Row, steps: list[Step], evaluator: PrefixEvaluator) -> int:
        """How many steps can be kept so that some rollout ends correct, while with the next one none does.

        Of several such places a bisection finds one; the first is the likeliest, for values seldom rise again.
        """
        alive, dead = 0, len(steps)
        while dead - alive > 1:
            middle = (alive + dead) // 2
            value = await evaluator.value(problem, steps[:middle], self.n_rollouts, Mode.ROLLOUT)
            alive, dead = (middle, dead) if value.share_correct else (alive, middle)
        return alive

    async def _continued(self, fork: Fork, engine: MeteredEngine) -> str | None:
        """The next step of the shortest correct continuation of the prefix."""
        start = self.open_thought(fork.row["problem"])
        prefix = nested(start, fork.steps, [fork.index], Mode.ROLLOUT)[fork.index]
        asked = (self._continuation(fork, prefix, sample, engine) for sample in range(self.n_continuations))
        found = [one for one in await asyncio.gather(*asked) if one]
        return min(found)[2] if found else None

    async def _continuation(
        self, fork: Fork, prefix: Prefix, sample: int, engine: MeteredEngine
    ) -> tuple[int, int, str] | None:
        """(its tokens, its number, its first step) of a correct one."""
        seed = derive_seed(self.seed, "pair_step", fork.row["trace_id"], prefix.text, sample)
        completion = await engine.generate(prefix.request(self._sampling, seed))
        parsed = parse_completion(self._opened(prefix.text) + completion.text, completion.finish_reason)
        step = fork.next_step(parsed.reasoning)
        if step is None or completion.finish_reason == "length":
            return None
        verdict = await self.verdict(problem_of(fork.row), parsed.response, completion.finish_reason)
        return (completion.n_completion_tokens, sample, step) if verdict["outcome"] == Outcome.CORRECT else None

    def _opened(self, text: str) -> str:
        """With the tag that a chat template puts in front, where `opening` is left to it."""
        return text if self.opening else PREFILL + text
