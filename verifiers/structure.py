"""Takes lists, tuples, sets and ratios apart and compares them item by item.

Bare lists and `{}` are unordered and keep repeats, `()` and other brackets are ordered, `x = 1, y = 2` is paired by
name where both sides name their items. Items are judged by the `compare_items` passed in. A tuple against a bare list
or a set is not decided: it depends on the question.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verifiers.decision import Decision, correct, incorrect, unsure

CompareItems = Callable[[str, str], Decision | None]
"""Gold item and answer item in; None where it cannot tell."""

MAX_ITEMS = 64

_BRACKETS = {"(": ")", "[": "]", "{": "}"}
_TOKEN = re.compile(r"\\[{}]|\\[A-Za-z]+|\\.|[(\[{}\])]|,|;|:|(?<![A-Za-z])(?:and|or)(?![A-Za-z])", re.DOTALL)
_LABEL = re.compile(r"(\\?[A-Za-z]{1,7}(?:_\w|_\{\w{1,4}\})?)\s?=(?!=)\s?")
_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")


@dataclass(frozen=True)
class Parts:
    opening: str
    closing: str
    """Brackets around the whole; empty for a bare list."""
    items: tuple[str, ...]
    separator: str
    """`,` or, for a ratio, `:`."""

    @property
    def shape(self) -> str:
        return self.opening + self.separator + self.closing

    @property
    def is_unordered(self) -> bool:
        return self.separator == "," and self.opening in ("", "{")


def compare_structure(gold: str, answer: str, compare_items: CompareItems) -> Decision | None:
    """Judges two cleaned answers item by item; None if either is a single item or some item is undecided."""
    left, right = split_parts(gold), split_parts(answer)
    if len(left.items) < 2 or len(right.items) < 2 or max(len(left.items), len(right.items)) > MAX_ITEMS:
        return None
    if left.shape != right.shape and not (left.is_unordered and right.is_unordered):
        return _other_brackets(left, right)
    if len(left.items) != len(right.items):
        may_be_grouped = _THOUSANDS.search(gold) or _THOUSANDS.search(answer)
        return None if may_be_grouped else incorrect(f"{len(right.items)} items, the gold answer has {len(left.items)}")
    return _compare_all(left, right, compare_items)


def split_parts(cleaned: str) -> Parts:
    """Brackets and top-level items of a cleaned answer; one item if it is no list."""
    inner, opening, closing = _unbracketed(cleaned.strip())
    tokens = list(_TOKEN.finditer(inner))
    items = _split(inner, tokens, (",", ";", "and", "or"))
    if len(items) == 1 and not opening and len(ratio := _split(inner, tokens, (":",))) > 1:
        return Parts(opening, closing, ratio, ":")
    return Parts(opening, closing, items, ",")


def _unbracketed(text: str) -> tuple[str, str, str]:
    """What stands inside the brackets around the whole text, and these; empty brackets if there are none."""
    tokens = list(_TOKEN.finditer(text))
    if not tokens or tokens[0].start() or _depth_change(tokens[0].group()) < 1:
        return text, "", ""
    if _closing_index(tokens) != len(tokens) - 1 or tokens[-1].end() != len(text):
        return text, "", ""
    inner = text[tokens[0].end() : tokens[-1].start()].strip()
    return inner, tokens[0].group().lstrip("\\"), tokens[-1].group().lstrip("\\")


def _closing_index(tokens: Sequence[re.Match[str]]) -> int | None:
    """Index of the token that closes the first one; intervals may close with another kind of bracket."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += _depth_change(token.group())
        if depth == 0:
            return index
    return None


def _depth_change(token: str) -> int:
    bare = token if len(token) == 1 else token[1:]
    return (bare in _BRACKETS) - (bare in _BRACKETS.values())


def _split(text: str, tokens: Sequence[re.Match[str]], separators: tuple[str, ...]) -> tuple[str, ...]:
    items, start, depth = [], 0, 0
    for token in tokens:
        depth += _depth_change(token.group())
        if depth == 0 and token.group() in separators:
            items.append(text[start : token.start()].strip())
            start = token.end()
    return tuple(item for item in (*items, text[start:].strip()) if item) or ("",)


def _other_brackets(left: Parts, right: Parts) -> Decision | None:
    if left.separator != right.separator:
        return None
    if left.opening and right.opening and "{" not in (left.opening, right.opening):
        return incorrect(f"brackets {right.shape} against {left.shape} in the gold answer")
    return unsure("a tuple against a list or set: whether order counts depends on the question")


def _compare_all(left: Parts, right: Parts, compare_items: CompareItems) -> Decision | None:
    golds, answers = _unlabelled(left, right)
    if left.is_unordered and not _is_labelled(left):
        return _compare_unordered(golds, answers, compare_items)
    return _all_of([compare_items(gold, answer) for gold, answer in zip(golds, answers, strict=True)])


def _all_of(decisions: Sequence[Decision | None]) -> Decision | None:
    wrong = next((decision for decision in decisions if decision and not decision.is_correct), None)
    if wrong or None in decisions:
        return wrong
    return correct("every item equals that of the gold answer")


def _compare_unordered(golds: Sequence[str], answers: Sequence[str], compare_items: CompareItems) -> Decision | None:
    """Greedy matching: equality of values is transitive, so the first partner is as good as any."""
    left_over, undecided = list(answers), False
    for gold in golds:
        decisions = [compare_items(gold, answer) for answer in left_over]
        partner = next((i for i, decision in enumerate(decisions) if decision and decision.is_correct), None)
        if partner is not None:
            left_over.pop(partner)
        elif None in decisions:
            undecided = True
        else:
            return incorrect(f"no item equals {gold} of the gold answer")
    return None if undecided else correct("every item equals one of the gold answer")


def _is_labelled(parts: Parts) -> bool:
    return all(_LABEL.match(item) for item in parts.items)


def _unlabelled(left: Parts, right: Parts) -> tuple[list[str], list[str]]:
    """Items without their names; where both sides are named, the right ones in the order of the left."""
    golds, answers = list(left.items), list(right.items)
    if _is_labelled(left) and _is_labelled(right):
        by_name = {_name(item): item for item in answers}
        if len(by_name) == len(answers) and {_name(item) for item in golds} == by_name.keys():
            answers = [by_name[_name(item)] for item in golds]
    return [_LABEL.sub("", item, count=1) for item in golds], [_LABEL.sub("", item, count=1) for item in answers]


def _name(item: str) -> str:
    match = _LABEL.match(item)
    return match[1] if match else ""
