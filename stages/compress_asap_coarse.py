"""Keeps the steps of a trace that belong to the path of its anchor: coarse pruning of ASAP.

    problem, numbered steps, anchor ── `numbers`: the steps to keep, by number ────────────────────> kept steps
                                   └─ `text`: the kept paragraphs, copied ── align, snap to steps ─┘

Source: Zeng et al. (arXiv 2508.05988); code Zengwh02/ASAP, `prune/`. There a model copies the kept text, thousands of
tokens, and a copy that is only similar stays as the model wrote it. `numbers` asks for about a hundred tokens and is
verbatim by construction. `text` is the paper's form with two repairs: the best order-preserving alignment
(`stages.alignment`) in place of a greedy pointer, and every accepted paragraph replaced by the step that it copies.

An unusable reply is asked for again with another seed; after the last attempt the reason stands in the row. Protected
steps stay whatever the reply says. Not covered: merging or rephrasing steps.
"""

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from pipeline.engines.engine import GenerateRequest, NamedEngine, Sampling
from pipeline.errors import RequestRefused
from pipeline.lookup import ROOT
from pipeline.seeds import derive_seed
from pipeline.stage import Fan, Row
from schemas import tokens
from schemas.columns import ANCHOR, REJECTED_BY, Column
from schemas.trace import Step, segment
from stages.alignment import align
from stages.candidates import CANDIDATE_COLUMNS, SOURCE_READS, candidate, refusal, unfit_reason
from stages.compress_asap import is_source
from stages.protected_steps import protected_steps
from stages.pruning import without
from stages.step_numbers import Unusable, read_numbers, read_reply
from stages.task_last import introduction, task_last

METHOD = "asap_coarse"
PROMPTS = {"numbers": "stages/prompts/asap_numbers.md", "text": "stages/prompts/asap_text.md"}


class CompressAsapCoarse(Fan):
    version: ClassVar[int] = 2
    beside: ClassVar[bool] = True
    reads: ClassVar[tuple[str, ...]] = (*SOURCE_READS, ANCHOR.name)
    reads_if_present: ClassVar[tuple[str, ...]] = (REJECTED_BY.name,)
    writes: ClassVar[tuple[Column, ...]] = CANDIDATE_COLUMNS

    engine: str
    """Name of the model in the recipe's `engines` that chooses."""
    of: str = ""
    """Method whose candidates are pruned; empty prunes first traces."""
    mode: Literal["numbers", "text"] = "numbers"
    """What the model writes: numbers of steps, or the steps themselves as in the paper."""
    attempts: int = Field(default=3, ge=1, le=16)
    """Calls at most per trace; each has its own seed."""
    temperature: float = Field(default=0.6, ge=0, le=2)
    """At 0 a second attempt would be the first again; the paper's script asks for 2.0."""
    max_tokens: int = Field(default=4096, ge=16)
    """Longest reply, thinking included, in tokens."""
    min_kept: float = Field(default=0.1, ge=0, lt=1)
    """Least share of the reasoning's tokens that may be left."""
    max_kept: float = Field(default=0.95, gt=0, le=1)
    """Greatest share of the reasoning's tokens that is worth a candidate."""
    match_ratio: float = Field(default=0.6, gt=0, le=1)
    """text: least similarity of a copied paragraph to its step."""
    short_match_ratio: float = Field(default=0.9, gt=0, le=1)
    """text: the same for steps under 40 characters, which are alike by chance."""
    max_unmatched: float = Field(default=0.1, ge=0, lt=1)
    """text: greatest share of copied paragraphs that are no step of the trace."""
    seed: int = 0
    """Seed that the calls' seeds are derived from; the recipe's, unless set here."""

    def prompts(self) -> dict[str, str]:
        return {"introduction": introduction(), "task": self._task()}

    def problems(self) -> list[str]:
        if self.temperature == 0 and self.attempts > 1:
            return ["`temperature: 0` gives the same reply every time; set `attempts: 1` or a temperature above 0"]
        return []

    async def run(self, row: Row, engine: NamedEngine) -> list[Row]:  # type: ignore[override]
        if not is_source(row, self.of):
            return []
        steps = segment(row["reasoning"] or "")
        unfit = (
            unfit_reason(row) or ("" if row[ANCHOR.name] else "no anchor") or ("" if len(steps) > 2 else "two steps")
        )
        reason, kept = (unfit, "") if unfit else await self._chosen(row, steps, engine)
        return [refusal(row, METHOD, reason) if reason else candidate(row, METHOD, kept, row["response"])]

    async def _chosen(self, row: Row, steps: list[Step], engine: NamedEngine) -> tuple[str, str]:
        """(why there is no candidate, its reasoning) after as many attempts as it takes."""
        reason = ""
        for attempt in range(self.attempts):
            try:
                completion = await engine.generate(self._request(row, steps, attempt))
                return "", self._kept(row, steps, read_reply(completion))
            except Unusable as unusable:
                reason = f"{unusable}, after {attempt + 1} attempts"
            except RequestRefused as refused:
                return f"cannot be asked: {refused}", ""
        return reason, ""

    def _request(self, row: Row, steps: list[Step], attempt: int) -> GenerateRequest:
        numbered = [f"[{number}] {step.text.strip()}" for number, step in enumerate(steps, 1)]
        attempt_text = "\n\n".join(numbered) if self.mode == "numbers" else row["reasoning"]
        material = {"problem": row["problem"], "attempt": attempt_text, "direct derivation": row[ANCHOR.name]}
        return GenerateRequest(
            messages=(task_last(material, self._task()),),
            sampling=Sampling(temperature=self.temperature, max_tokens=self.max_tokens),
            seed=derive_seed(self.seed, row["problem_id"], METHOD, row["trace_id"], attempt),
        )

    def _kept(self, row: Row, steps: list[Step], reply: str) -> str:
        """The reasoning that a reply leaves. Raises Unusable."""
        chosen = read_numbers(reply, "KEEP", len(steps)) if self.mode == "numbers" else self._copied(reply, steps)
        stays = chosen | protected_steps(steps)
        kept = without(steps, set(range(len(steps))) - stays)
        count = tokens.counter(row["token_counter"])
        share = count(kept) / max(count(row["reasoning"]), 1)
        if not self.min_kept <= share <= self.max_kept:
            raise Unusable(f"{share:.0%} of the tokens would be left")
        return kept

    def _copied(self, reply: str, steps: list[Step]) -> frozenset[int]:
        """Indices of the steps that the paragraphs of a reply copy."""
        paragraphs = [step.text for step in segment(reply)]
        texts = [step.text for step in steps]
        found = align(paragraphs, texts, ratio=self.match_ratio, short_ratio=self.short_match_ratio)
        n_unmatched = found.count(None)
        if not paragraphs or n_unmatched > self.max_unmatched * len(paragraphs):
            raise Unusable(f"{n_unmatched} of {len(paragraphs)} paragraphs are no step of the trace")
        return frozenset(index for index in found if index is not None)

    def _task(self) -> str:
        return Path(ROOT, PROMPTS[self.mode]).read_text(encoding="utf-8")
