"""Models by rule for the tests of evaluation: right and long as the number in the problem and the seed say."""

import re

from pipeline.engines.engine import GenerateRequest


def even(request: GenerateRequest) -> str:
    """Right on even numbers; ten words of thinking for each."""
    return _answer(request, right=_number(request) % 2 == 0, n_words=10)


def even_and_short(request: GenerateRequest) -> str:
    """As `even`, in four words."""
    return _answer(request, right=_number(request) % 2 == 0, n_words=4)


def longer_and_longer(request: GenerateRequest) -> str:
    """Always right, with as many words as the number says."""
    return _answer(request, right=True, n_words=_number(request) + 1)


def refuses_seven(request: GenerateRequest) -> str:
    """As `even`, but breaks at 7."""
    if _number(request) == 7:
        raise ValueError("seven")
    return even(request)


def _number(request: GenerateRequest) -> int:
    found = re.search(r"\d+", request.messages[-1].content)
    return int(found[0]) if found else 0


def _answer(request: GenerateRequest, *, right: bool, n_words: int) -> str:
    value = 3 * _number(request) + (0 if right else 1)
    return f"<think>\n{' '.join(['step'] * n_words)}\n</think>\n\n\\boxed{{{value}}}"
