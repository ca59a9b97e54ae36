"""The problem: what makes two texts the same problem, which kind it is, and where a solution hides its gold answer.

The identity of a problem is a hash of its kind and its normalised text, so that the same problem from two files meets
in one row. Normalisation is careful on purpose: Unicode NFC and folded white space, nothing else. NFKC would turn `x²`
into `x2`, lower case would turn `P(X = x)` into `p(x = x)`, and dropping punctuation would lose signs and decimal
points; near duplicates are the business of deduplication, not of identity.
"""

import json
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Any


class Kind(StrEnum):
    MATH = "math"
    CODE = "code"
    CHOICE = "choice"
    OPEN = "open"


def stable_id(*parts: str | int | Sequence[str] | None) -> str:
    """16 hex digits that name `parts`. JSON keeps `("a", "bc")`, `("ab", "c")`, `None`, `""` and `"None"` apart.

    64 bits: among 10 million texts the chance of any collision is 3e-6.
    """
    canonical = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return blake2b(canonical.encode("ascii"), digest_size=8).hexdigest()


def normalise(problem: str) -> str:
    """The text that identity looks at: NFC, every run of white space one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", problem).split())


def problem_id(kind: str, problem: str, choices: Sequence[str] = ()) -> str:
    """Identity of a problem. Options take part: "Which of these is true?" is many different problems."""
    return stable_id(str(kind), normalise(problem), *(normalise(choice) for choice in choices))


def detect_kind(answer: str | None, tests: str | None, choices: Sequence[str]) -> Kind:
    """The kind of a problem whose source does not name it: options, then tests, then a gold answer decide."""
    if choices:
        return Kind.CHOICE
    if tests:
        return Kind.CODE
    return Kind.MATH if answer else Kind.OPEN


def gold_in_solution(solution: str) -> tuple[str, str] | None:
    """The final answer that a worked solution states, and where it stood: after `####` (GSM8K) or in the last box."""
    _, mark, tail = solution.rpartition("####")
    gold = tail.strip().split("\n")[0].strip() if mark else ""
    if gold:
        return gold, "after ####"
    boxed = last_boxed(solution)
    return (boxed, r"last \boxed") if boxed else None


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` with balanced braces; None without one, or where it is cut off."""
    mark = text.rfind(r"\boxed{")
    start = mark + len(r"\boxed{")
    depth, i = 1, start
    while mark >= 0 and i < len(text):
        if text[i] == "\\":
            i += 1  # an escaped brace is a set brace, not a group
        elif text[i] in "{}":
            depth += 1 if text[i] == "{" else -1
            if depth == 0:
                return text[start:i].strip()
        i += 1
    return None


def as_json(value: Any) -> str:
    """JSON that any reader can parse: NaN and infinities become null, foreign types their text.

    Raises ValueError for a value nested deeper than the interpreter's stack.
    """
    try:
        return json.dumps(_finite(value), ensure_ascii=False, default=str)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
