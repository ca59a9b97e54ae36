"""Has a model mark the steps of a reasoning that lie in failed branches: failed-step fraction.

    problem, numbered steps ── n votes, a line of numbers each ──> steps that most name ──> share of steps, of tokens

Source: "What Characterizes Effective Reasoning?" (arXiv 2509.19284): a model turns the trace into a graph of its steps
and marks the failed nodes; failed / all predicts correctness better than length does, and among the candidates of one
problem the lowest share is best: `select` with `order_by: [failed_step_fraction]`. We ask for the numbers of the failed
steps instead of a graph (its prompt is not published), a line per vote in place of thousands of tokens, and count a
step as failed if more than half of the usable votes say so. `score_failed_steps` estimates the same without a model.

A trace without a usable vote has no fraction and says why. Not covered: which branch a step belongs to, reasonings
beyond the judge's context.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from pipeline.engines.engine import GenerateRequest, NamedEngine, Sampling
from pipeline.errors import RequestRefused
from pipeline.lookup import ROOT
from pipeline.seeds import derive_seed
from pipeline.stage import Map, Row
from schemas.columns import FAILED_COLUMNS, FAILED_STEPS_REASON, Column
from schemas.trace import Step, segment
from stages.score_failed_steps import fractions
from stages.step_numbers import Unusable, read_numbers, read_reply
from stages.task_last import introduction, task_last

PROMPT = "stages/prompts/failed_steps.md"


class JudgeFailedSteps(Map):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("problem", "problem_id", "trace_id", "reasoning", "token_counter")
    writes: ClassVar[tuple[Column, ...]] = (*FAILED_COLUMNS, FAILED_STEPS_REASON)

    engine: str
    """Name of the judge in the recipe's `engines`."""
    votes: int = Field(default=1, ge=1, le=16)
    """Calls per trace; a step has failed if more than half of the usable votes name it."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """0 is greedy and makes sense for a single vote only."""
    max_tokens: int = Field(default=4096, ge=16)
    """Longest reply, thinking included, in tokens."""
    seed: int = 0
    """Seed that the calls' seeds are derived from; the recipe's, unless set here."""

    def prompts(self) -> dict[str, str]:
        return {"introduction": introduction(), "task": _task()}

    def problems(self) -> list[str]:
        if self.temperature == 0 and self.votes > 1:
            return ["`temperature: 0` gives the same vote every time; set `votes: 1` or a temperature above 0"]
        return []

    async def run(self, row: Row, engine: NamedEngine) -> Row:  # type: ignore[override]
        steps = segment(row["reasoning"] or "")
        if not steps:
            return fractions([], None, row["token_counter"]) | {FAILED_STEPS_REASON.name: "no reasoning"}
        votes = await asyncio.gather(*(self._vote(row, steps, index, engine) for index in range(self.votes)))
        usable = [vote for vote in votes if not isinstance(vote, str)]
        if not usable:
            return fractions([], None, row["token_counter"]) | {FAILED_STEPS_REASON.name: str(votes[0])}
        named = Counter(step for vote in usable for step in vote)
        failed = frozenset(step for step, n in named.items() if 2 * n > len(usable))
        return fractions(steps, failed, row["token_counter"]) | {FAILED_STEPS_REASON.name: None}

    async def _vote(self, row: Row, steps: list[Step], index: int, engine: NamedEngine) -> frozenset[int] | str:
        """The failed steps by one reply, or why it does not count."""
        numbered = "\n\n".join(f"[{number}] {step.text.strip()}" for number, step in enumerate(steps, 1))
        request = GenerateRequest(
            messages=(task_last({"problem": row["problem"], "attempt": numbered}, _task()),),
            sampling=Sampling(temperature=self.temperature, max_tokens=self.max_tokens),
            seed=derive_seed(self.seed, row["problem_id"], "failed_steps", row["trace_id"], index),
        )
        try:
            reply = read_reply(await engine.generate(request))
            return read_numbers(reply, "FAILED", len(steps), or_none=True) - {len(steps) - 1}
        except RequestRefused as refused:
            return f"cannot be asked: {refused}"
        except Unusable as unusable:
            return str(unusable)


def _task() -> str:
    return Path(ROOT, PROMPT).read_text(encoding="utf-8")
