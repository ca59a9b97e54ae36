"""Judges the final answer of a response to a math problem against its gold answer.

    response -> extract.find_answer -> same text? -> exact numbers, lists of them -> math-verify in a killable process
                                       (canonical)   (numbers, structure)            (pool, worker, symbolic)

A tier that cannot tell hands on to the next. Policies (percent, units, rounding, order) stand in `numbers` and
`structure`, blind spots in `extract` and `symbolic`. Precision comes first: an answer that is only partly understood is
`unparsed`, a gold answer that cannot be used is `ungradable`.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from schemas.verdict import Outcome, Verdict
from verifiers.canonical import clean, key
from verifiers.decision import Decision, correct, unsure
from verifiers.extract import Answer, find_answer, last_paragraph
from verifiers.numbers import compare_numbers, read_number
from verifiers.pool import CheckCrashed, CheckTimeout, pool
from verifiers.structure import compare_structure

MAX_FORMULA_CHARS = 1_000
MAX_NESTING = 15
MAX_DIGITS_IN_A_ROW = 500
"""Beyond these two answers are compared as text only: 50 nested braces already cost the parser 5 s."""

_DIGITS = re.compile(rf"\d{{{MAX_DIGITS_IN_A_ROW}}}")
_VERSION = 1
_LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")


@dataclass(frozen=True)
class MathVerifier:
    timeout_s: float = 1.0
    """CPU seconds that one comparison may take in the worker."""
    retry_timeout_s: float = 3.0
    """CPU seconds of the second and last attempt after a time-out; 0 for no second attempt."""

    name = "math"

    @property
    def version(self) -> str:
        libraries = ", ".join(f"{library} {version(library)}" for library in _LIBRARIES)
        return f"{self.name}/{_VERSION} ({libraries})"

    def verify(self, problem: Mapping[str, Any], response: str, *, truncated: bool = False) -> Verdict:
        """Judges `response` against `problem["answer"]`. A truncated response must mark its answer, say with a box."""
        start_s = time.monotonic()
        gold = (problem["answer"] or "").strip()
        answer = find_answer(response)
        decision = self._decide(gold, answer, "" if truncated else last_paragraph(response))
        return Verdict(
            outcome=decision.outcome,
            answer_found=answer.text if answer else None,
            reason=decision.reason,
            verifier=self.version,
            seconds=time.monotonic() - start_s,
        )

    def judge_answer(self, gold: str, answer: str) -> Decision:
        """Judges a bare answer, such as one stated in the middle of a reasoning."""
        return decide_cheaply(gold, answer) or self._decide_in_worker(gold, answer, "formula")

    def _decide(self, gold: str, answer: Answer | None, prose: str) -> Decision:
        if not gold:
            return Decision(Outcome.UNGRADABLE, "the problem has no gold answer")
        if answer:
            return self.judge_answer(gold, answer.text)
        if not re.search(r"\d", prose) or "\\boxed" in prose or _DIGITS.search(prose):
            return unsure("no final answer found")
        return self._decide_in_worker(gold, prose, "prose")

    def _decide_in_worker(self, gold: str, answer: str, form: str) -> Decision:
        if too_heavy := _too_heavy(gold):
            return Decision(Outcome.UNGRADABLE, f"the gold answer has {too_heavy}: it can only be compared as text")
        if form == "formula" and (too_heavy := _too_heavy(answer)):
            return unsure(f"the answer has {too_heavy}: it can only be compared as text")
        try:
            return self._within_limits(gold, answer, form)
        except CheckTimeout as timeout:
            return Decision(Outcome.TIMEOUT, str(timeout))
        except CheckCrashed as crash:
            return Decision(Outcome.CRASHED, str(crash))

    def _within_limits(self, gold: str, answer: str, form: str) -> Decision:
        try:
            return _checked(gold, answer, form, self.timeout_s)
        except CheckTimeout:
            if not self.retry_timeout_s:
                raise
        return _checked(gold, answer, form, self.retry_timeout_s)


def decide_cheaply(gold: str, answer: str) -> Decision | None:
    """The tiers that need no parser: same text, exact numbers, lists of those; None where they cannot tell."""
    if len(answer) > MAX_FORMULA_CHARS * 20:
        return unsure(f"the answer has {len(answer)} characters")
    left, right = clean(gold), clean(answer)
    return _compare_items(left, right) or _compare_lists(left, right)


def _compare_items(gold: str, answer: str) -> Decision | None:
    if key(gold) == key(answer) != "":
        return correct("same text")
    left, right = read_number(gold), read_number(answer)
    return compare_numbers(left, right) if left and right else None


def _compare_lists(gold: str, answer: str) -> Decision | None:
    if max(len(gold), len(answer)) > MAX_FORMULA_CHARS:
        return None
    return compare_structure(gold, answer, _compare_items)


@lru_cache(maxsize=16_384)
def _checked(gold: str, answer: str, form: str, timeout_s: float) -> Decision:
    """One check in a worker; samples of a problem repeat their answers. Failures are not remembered."""
    reply = pool().check(gold, answer, form, timeout_s)
    return Decision(Outcome(reply["outcome"]), reply["reason"])


def _too_heavy(formula: str) -> str:
    """What makes a formula too long to parse, or empty."""
    if len(formula) > MAX_FORMULA_CHARS:
        return f"{len(formula)} characters"
    depth = deepest = 0
    for character in formula:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        return f"{deepest} levels of brackets"
    if _DIGITS.search(formula):
        return f"more than {MAX_DIGITS_IN_A_ROW} digits in a row"
    return ""
