"""Perplexity of a trace under one fixed scoring model: what teachers are compared by (Not All Correct Answers).

    problem as the chat template writes it + `<think>` reasoning `</think>` response ── one pass ──> exp(mean NLL)

Source: "Not All Correct Answers Are Equal" (arXiv 2505.14464): of three teachers with the same verified problems, the
one whose traces had the lowest perplexity and the widest lengths made the best student. DeepDistill (arXiv 2504.17565)
drops what is above 20 under a 32B model: rule `fluent`. `grade_teachers` turns the column into statistics per teacher.
The opening tag is given, not scored. A trace beyond the model's context has no perplexity, and says so.
"""

from math import exp
from statistics import fmean
from typing import ClassVar

from pipeline.engines.engine import Message, NamedEngine, ScoreRequest
from pipeline.errors import RequestRefused
from pipeline.stage import Map, Row
from schemas.columns import PERPLEXITY_COLUMNS, Column
from schemas.markup import render_completion
from stages.surprisal import PREFILL


class ScorePerplexity(Map):
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("problem", "reasoning", "response")
    writes: ClassVar[tuple[Column, ...]] = PERPLEXITY_COLUMNS

    engine: str
    """Name of the scoring model in the recipe's `engines`; one model for all teachers, or figures do not compare."""
    opening: str = PREFILL
    """What opens the thought; empty where the chat template does it, as that of R1's distilled models."""

    async def run(self, row: Row, engine: NamedEngine) -> Row:  # type: ignore[override]
        named = {"perplexity_model": f"{engine.model} {engine.revision}".strip()}
        try:
            return named | {"perplexity": await self._perplexity(row, engine), "perplexity_reason": None}
        except (RequestRefused, ValueError) as error:  # beyond the context, or a reasoning that ends itself
            return named | {"perplexity": None, "perplexity_reason": f"cannot be scored: {error}"}

    async def _perplexity(self, row: Row, engine: NamedEngine) -> float:
        if not row["response"]:
            raise ValueError("there is no response")
        text = render_completion(row["reasoning"], row["response"]) if row["reasoning"] else row["response"]
        request = ScoreRequest(
            messages=(Message(role="user", content=row["problem"]),),
            prefill=self.opening if row["reasoning"] else "",
            continuation=text.removeprefix(PREFILL) if row["reasoning"] else text,
        )
        scores = await engine.score(request)
        return round(exp(-fmean(scores.logprobs)), 4)  # half-precision noise is below that
