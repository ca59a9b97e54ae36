"""Reads the numbers of steps from a model's reply: `LABEL: 1-3, 7` on a line of its own, the last such line counts.

    completion ── read_reply ──> what stands behind the thinking ── read_numbers ──> indices of steps, from 0

`compress_asap_coarse` asks for the steps to keep in this form, `judge_failed_steps` for those that failed.
"""

import re
from functools import lru_cache

from pipeline.engines.engine import Completion
from schemas.markup import parse_completion

_RANGE = re.compile(r"(\d{1,6})(?:\s*[-–]\s*(\d{1,6}))?")


class Unusable(Exception):
    """Why a reply cannot be used."""


def read_reply(completion: Completion) -> str:
    """What stands behind the thinking. Raises Unusable for a reply that was cut off."""
    parsed = parse_completion(completion.text, completion.finish_reason, completion.reasoning)
    if completion.finish_reason == "length" or parsed.truncated:
        raise Unusable("the reply is cut off")
    return parsed.response


def read_numbers(reply: str, label: str, n_steps: int, *, or_none: bool = False) -> frozenset[int]:
    """Indices named on the last line of the label; `LABEL: none` names none where `or_none` allows it.

    Raises Unusable without such a line, and for a number that no step has.
    """
    lines = _line(label, or_none).findall(reply)
    if not lines:
        raise Unusable("the reply names no steps")
    found: set[int] = set()
    for first, last in _RANGE.findall(lines[-1]):
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= n_steps:
            raise Unusable(f"the reply names steps {first}-{last or first} of {n_steps}")
        found.update(range(low - 1, high))
    return frozenset(found)


@lru_cache(maxsize=8)
def _line(label: str, or_none: bool) -> re.Pattern[str]:
    numbers = r"none|[\d,\s–-]{1,20000}" if or_none else r"[\d,\s–-]{1,20000}"
    return re.compile(rf"^\W{{0,6}}{label}\W{{1,6}}({numbers})\.?\W{{0,6}}$", re.IGNORECASE | re.MULTILINE)
