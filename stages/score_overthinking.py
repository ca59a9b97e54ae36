"""Scores how much of a correct reasoning comes after the answer was found: overthinking, after Self-Braking Tuning.

    steps ── first that states the gold answer ──> efficiency  = its number / number of steps          (RER)
    text  ── markers of hesitation and re-checks ─> marker share = their tokens / all tokens           (OMR)
    score = 0.9 * (1 - efficiency) + 0.1 * marker share

Source: Self-Braking Tuning (arXiv 2505.14604; code ZJU-REAL/Self-Braking-Tuning). There a model names the first step
with a complete answer, the majority of four calls; here the step must state the answer by rule and the verifier must
accept it (`stages.stated_answer`), which costs no call and finds it later where it is said in passing ("so x = 5"). A
trace that never states it has efficiency 1. The markers are the keywords of `stages.thoughts` and some of ours, whole
words, longest first; the released script counts substrings, so that short ones count inside longer words. Above tau,
about 0.2 there, a trace overthinks: rule `not_overthinking`. It is a score among correct traces of one problem, not
across problems.
"""

import re
from functools import lru_cache
from typing import ClassVar

from pydantic import Field

from pipeline.stage import Map, Row
from schemas import tokens
from schemas.columns import FIRST_SOLUTION_STEP, OVERTHINKING, Column
from schemas.problem import Kind
from schemas.trace import segment
from schemas.verdict import Outcome
from stages.stated_answer import states_answer
from stages.thoughts import KEYWORDS, language_of
from verifiers.math import MathVerifier

_MORE_MARKERS = (
    "hold on", "on second thought", "let me check", "let me verify", "let me double-check", "let me re-check",
    "let me recheck", "let me confirm", "let me make sure", "double-check", "just to be sure", "to be sure",
    "another way", "another approach", "a different approach", "other approach", "let me think again",
    "let me reconsider", "reconsider", "am I sure", "is that right", "is this right", "I wonder", "maybe", "perhaps",
)  # fmt: skip


class ScoreOverthinking(Map):
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("answer", "kind", "outcome", "problem", "reasoning", "token_counter")
    writes: ClassVar[tuple[Column, ...]] = (FIRST_SOLUTION_STEP, OVERTHINKING)

    efficiency_weight: float = Field(default=0.9, ge=0, le=1)
    """Weight of what follows the first solution; the rest is that of the markers."""
    timeout_s: float = Field(default=1.0, gt=0, le=60)
    """CPU seconds that judging one stated answer may take; what takes longer does not count as correct."""

    def code_identity(self) -> dict[str, str]:
        return {"math": MathVerifier().version}

    def run(self, row: Row) -> Row:
        if row["outcome"] != Outcome.CORRECT or not row["reasoning"]:
            return {FIRST_SOLUTION_STEP.name: None, OVERTHINKING.name: None}
        steps = segment(row["reasoning"])
        verifier = MathVerifier(timeout_s=self.timeout_s, retry_timeout_s=0)
        is_math = row["kind"] == Kind.MATH and row["answer"]
        stating = (i for i, step in enumerate(steps) if is_math and states_answer(step.text, row["answer"], verifier))
        first = next(stating, None)
        efficiency = 1.0 if first is None else (first + 1) / len(steps)
        share = marker_share(row["reasoning"], language_of(row["problem"]), row["token_counter"])
        score = self.efficiency_weight * (1 - efficiency) + (1 - self.efficiency_weight) * share
        return {FIRST_SOLUTION_STEP.name: first, OVERTHINKING.name: score}


def marker_share(text: str, language: str, token_counter: str) -> float:
    """Share of the tokens that stand in markers."""
    count, lowered = tokens.counter(token_counter), text.replace("İ", "I").lower()  # of the same length
    found = (text[one.start() : one.end()] for one in _markers(language).finditer(lowered))
    return min(1.0, count(" ".join(found)) / max(count(text), 1))


@lru_cache(maxsize=16)
def _markers(language: str) -> re.Pattern[str]:
    return re.compile(marker_pattern(language))


def marker_pattern(language: str) -> str:
    """Whole words in small letters: to lower a text first is 2.6 times as fast as to ignore case."""
    own = _MORE_MARKERS if language == "en" else ()
    words = sorted({word.lower() for word in (*KEYWORDS[language], *own)}, key=lambda word: (-len(word), word))
    alternatives = "|".join(map(re.escape, words))
    return alternatives if language in ("zh", "ja", "ko") else rf"\b(?:{alternatives})\b"
