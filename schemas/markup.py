r"""Thinking markup: many forms in, one form out.

    completion ── parse_completion ──> reasoning, response, which markup it was ── render_completion ──> <think> form

The thought ends at the FIRST closing tag; more of them behind it are flagged, never used. Nothing is lost: text before
an opening tag joins the reasoning, text behind a solution block joins the response. Blank lines around both parts and
white space at their ends are markup, not text; everything else is kept as it is.

Forms: `<think>`, with or without the opening tag (servers that prefill it, vllm#22507); begin/end-of-thought tags
(Sky-T1, OpenThoughts-114k); lines `think` / `answer` (s1); `<answer>` tags around the response (AM); a separate
reasoning field. For a model whose prompt ends with the opening tag, pass the tag with the text: only then can a
completion that was cut inside its thought be told from one without any thought.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_OPEN, _CLOSE = "<think>", "</think>"
_SKY_OPEN, _SKY_CLOSE = "<|begin_of_thought|>", "<|end_of_thought|>"
_SOLUTION_OPEN, _SOLUTION_CLOSE = "<|begin_of_solution|>", "<|end_of_solution|>"
_S1_OPEN = re.compile(r"\s*(?:<\|im_start\|>)?think[ \t]*\r?\n")
_S1_CLOSE = re.compile(r"^(?:<\|im_start\|>)?answer[ \t]*\r?\n", re.MULTILINE)
_LEADING_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)+")


class Markup(StrEnum):
    THINK = "think_open_close"
    THINK_CLOSE_ONLY = "think_close_only"
    THINK_UNCLOSED = "think_unclosed"
    SKY = "sky_begin_of_thought"
    SKY_CLOSE_ONLY = "sky_close_only"
    SKY_UNCLOSED = "sky_unclosed"
    S1 = "s1_plain_think_answer"
    S1_UNCLOSED = "s1_unclosed"
    FIELD = "reasoning_field"
    NONE = "none"


class Flag(StrEnum):
    MULTI_CLOSE = "multi_close"
    """The response holds another closing tag: the model started to think again. Shorteners drop such traces."""
    TEXT_BEFORE_THOUGHT = "text_before_thought"
    ANSWER_TAGS = "answer_tags"
    """The response stood in `<answer>` tags, which were taken off."""
    SOLUTION_UNCLOSED = "solution_unclosed"


@dataclass(frozen=True)
class ParsedCompletion:
    reasoning: str
    response: str
    markup: Markup
    truncated: bool
    """The thought never ends, or the model was stopped by its length limit."""
    flags: tuple[Flag, ...] = ()


def render_completion(reasoning: str, response: str) -> str:
    """The one form on the way out. Raises ValueError for a reasoning that would end itself early."""
    if _CLOSE in reasoning:
        raise ValueError(f"the reasoning holds {_CLOSE!r}, which would end the thought early")
    return f"{_OPEN}\n{reasoning}\n{_CLOSE}\n\n{response}"


def parse_completion(text: str, finish_reason: str | None = None, reasoning: str | None = None) -> ParsedCompletion:
    """Splits a completion. `reasoning`: what came in a separate field; `text` is then the response."""
    if reasoning is not None and _trim(reasoning):
        parsed = _finish(Markup.FIELD, reasoning, text, _CLOSE)
    elif tag := _first_tag(text):
        parsed = _parse_think(text) if tag in (_OPEN, _CLOSE) else _parse_sky(text)
    elif opening := _S1_OPEN.match(text):
        parsed = _parse_s1(text, opening.end())
    else:
        parsed = _finish(Markup.NONE, "", text, _CLOSE)
    return _truncated(parsed) if finish_reason == "length" else parsed


def _first_tag(text: str) -> str | None:
    """The tag that decides the form: an opening one at the start, else the first closing, else the first opening."""
    start = text[: len(text) - len(text.lstrip()) + len(_SKY_OPEN)].lstrip()
    for tag in (_OPEN, _SKY_OPEN):
        if start.startswith(tag):
            return tag
    for tags in ((_CLOSE, _SKY_CLOSE), (_OPEN, _SKY_OPEN)):
        places = [(text.find(tag), tag) for tag in tags if tag in text]
        if places:
            return min(places)[1]
    return None


def _parse_think(text: str) -> ParsedCompletion:
    thought, closed, rest = text.partition(_CLOSE)
    before, opened, inside = thought.partition(_OPEN)
    if not closed:
        return _with_preface(before, _cut_off(Markup.THINK_UNCLOSED, inside))
    if not opened:
        return _finish(Markup.THINK_CLOSE_ONLY, thought, rest, _CLOSE)
    return _with_preface(before, _finish(Markup.THINK, inside, rest, _CLOSE))


def _parse_sky(text: str) -> ParsedCompletion:
    thought, closed, rest = text.partition(_SKY_CLOSE)
    before, opened, inside = thought.partition(_SKY_OPEN)
    if not closed:
        return _with_preface(before, _cut_off(Markup.SKY_UNCLOSED, inside))
    response, flags = _solution(rest)
    if not opened:
        return _finish(Markup.SKY_CLOSE_ONLY, thought, response, _SKY_CLOSE, flags)
    return _with_preface(before, _finish(Markup.SKY, inside, response, _SKY_CLOSE, flags))


def _parse_s1(text: str, thought_start: int) -> ParsedCompletion:
    answer = _S1_CLOSE.search(text, thought_start)
    if not answer:
        return _cut_off(Markup.S1_UNCLOSED, text[thought_start:])
    rest = text[answer.end() :]
    flags = (Flag.MULTI_CLOSE,) if _S1_CLOSE.search(rest) else ()
    return _finish(Markup.S1, text[thought_start : answer.start()], rest, _CLOSE, flags)


def _finish(markup: Markup, reasoning: str, rest: str, close: str, flags: tuple[Flag, ...] = ()) -> ParsedCompletion:
    response, answer_flags = _without_answer_tags(_trim(rest))
    multi = (Flag.MULTI_CLOSE,) if close in rest else ()
    return ParsedCompletion(_trim(reasoning), response, markup, False, flags + multi + answer_flags)


def _cut_off(markup: Markup, thought: str) -> ParsedCompletion:
    return ParsedCompletion(_trim(thought), "", markup, True)


def _truncated(parsed: ParsedCompletion) -> ParsedCompletion:
    return ParsedCompletion(parsed.reasoning, parsed.response, parsed.markup, True, parsed.flags)


def _with_preface(before: str, parsed: ParsedCompletion) -> ParsedCompletion:
    if not before.strip():
        return parsed
    reasoning = _trim(f"{_trim(before)}\n\n{parsed.reasoning}")
    flags = (Flag.TEXT_BEFORE_THOUGHT, *parsed.flags)
    return ParsedCompletion(reasoning, parsed.response, parsed.markup, parsed.truncated, flags)


def _solution(rest: str) -> tuple[str, tuple[Flag, ...]]:
    """Takes the solution tags off; what stands around them stays."""
    before, opened, inside = rest.partition(_SOLUTION_OPEN)
    inside, closed, behind = (inside if opened else before).partition(_SOLUTION_CLOSE)
    parts = (before if opened else "", inside, behind)
    response = "\n\n".join(part for part in map(_trim, parts) if part)
    return response, (Flag.SOLUTION_UNCLOSED,) if opened and not closed else ()


def _without_answer_tags(response: str) -> tuple[str, tuple[Flag, ...]]:
    """Takes `<answer>` tags off where one pair of them holds the whole response."""
    body = response.strip()
    if not (body.startswith("<answer>") and body.endswith("</answer>")):
        return response, ()
    inside = body[len("<answer>") : -len("</answer>")]
    return (response, ()) if "answer>" in inside else (_trim(inside), (Flag.ANSWER_TAGS,))


def _trim(text: str) -> str:
    """Without blank lines at the start and white space at the end; the indentation of the first line stays."""
    leading = _LEADING_BLANK_LINES.match(text)
    return text[leading.end() if leading else 0 :].rstrip()
