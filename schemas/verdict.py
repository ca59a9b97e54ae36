"""What a verifier says about a response: an outcome that is never null and never truthy by accident.

`timeout` and `crashed` are statements about the checker, not about the answer, and are never counted as wrong;
`unparsed` means that no answer was found in the response, `ungradable` that there is no usable gold to compare with.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn


class Outcome(StrEnum):
    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNPARSED = "unparsed"
    UNGRADABLE = "ungradable"
    TIMEOUT = "timeout"
    CRASHED = "crashed"

    def __bool__(self) -> NoReturn:
        raise TypeError("an Outcome has six states; compare it, e.g. `outcome is Outcome.CORRECT`")


@dataclass(frozen=True)
class Verdict:
    """One judgement. `seconds` is wall time and never part of a stored value: it differs between runs."""

    outcome: Outcome
    answer_found: str | None
    reason: str
    verifier: str
    seconds: float
