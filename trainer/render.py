"""From turns to tokens: which the student reads, and which it learns.

    question ── chat template, generation prompt ──> prompt text ──┐
    question + answer ── chat template ──> whole text ── tokens ───┴─> input_ids, labels (-100 where nothing is learnt)

Only the answer is learnt, from the token where the whole text leaves the prompt up to the end-of-turn token; what a
template writes behind that is never generated and is cut off. A step (Step-DPO) has no end of turn: the answer goes on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import TemplateError

from schemas.markup import Markup, parse_completion
from trainer.span_masks import masked_spans, overlaps

IGNORED = -100
"""Label of a token without loss, by torch's convention."""
OPENING = "<think>"
_TAGS = re.compile(r"\s|</?think>")
"""An empty thought, which some templates put in front of an answer without any."""

Turns = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Rendered:
    input_ids: list[int]
    labels: list[int]
    """As `input_ids`, and IGNORED where nothing is learnt."""
    fault: str = ""
    """Why the row cannot be trained on; empty for a good one."""
    prompt_differs: bool = False
    """The template renders the question alone in another way than in front of this answer."""

    @property
    def n_prompt_tokens(self) -> int:
        return next((i for i, label in enumerate(self.labels) if label != IGNORED), len(self.labels))

    @property
    def n_trained_tokens(self) -> int:
        return sum(label != IGNORED for label in self.labels)


HIDDEN = "the chat template hides the thinking"
ENDLESS = "the chat template ends the turn without a token that stops generation"
CONTROL = "a token that stops generation stands inside the answer"
INSERTED = "the chat template writes text of its own in front of the answer"
UNRENDERED = "the chat template refuses the turns"
UNPLACED = "the chat template rewrites the answer, so its segments have no place"
OUTSIDE = "a segment lies outside the answer"
NOTHING = "no token is left to learn"


@dataclass(frozen=True)
class Renderer:
    tokenizer: Any
    """A fast tokenizer with a chat template: transformers' `PreTrainedTokenizerFast`."""
    end_ids: frozenset[int]
    """Tokens that stop generation."""

    def answer(self, prompt: Turns, answer: str, segments: Sequence[Mapping[str, Any]] | None = None) -> Rendered:
        """A whole answer, with its end of turn. `segments`: spans of the answer, see `trainer.span_masks`.

        Some templates read the thinking out of the text, others want it in a field of its own: the first form that
        comes out whole is taken.
        """
        try:
            spans = masked_spans(segments, len(answer))
        except ValueError:
            return Rendered([], [], OUTSIDE)
        tried = []
        for turn in _forms(answer):
            try:
                prompt_text = self._template(prompt, generation=True)
                text = self._template([*prompt, {"role": "assistant"} | turn], generation=False)
            except TemplateError:
                return Rendered([], [], UNRENDERED)
            tried.append(self._answer(prompt_text, text, answer, spans))
            if not tried[-1].fault:
                return tried[-1]
        return tried[0]

    def _answer(self, prompt_text: str, text: str, answer: str, spans: list[tuple[int, int]]) -> Rendered:
        ids, offsets, n_prompt = self._encode(prompt_text, text)
        learnt_from = offsets[n_prompt][0] if n_prompt < len(ids) else len(text)
        place = text.rfind(answer)
        if fault := _fault(text, answer, place, learnt_from, spans):
            return _faulty(ids, fault)
        response = parse_completion(answer).response
        end = place + len(answer) if place >= 0 else text.rfind(response) if response else learnt_from
        stops = [i for i in range(n_prompt, len(ids)) if ids[i] in self.end_ids]
        n_kept = next((i + 1 for i in stops if offsets[i][0] >= max(end, learnt_from)), 0)
        if not n_kept or stops[0] < n_kept - 1:
            return _faulty(ids, CONTROL if n_kept else ENDLESS)
        masked = overlaps(offsets, [(place + start, place + stop) for start, stop in spans], len(text))
        ignored = [i < n_prompt or hidden for i, hidden in enumerate(masked[:n_kept])]
        labels = [IGNORED if skip else token for token, skip in zip(ids[:n_kept], ignored, strict=True)]
        return Rendered(ids[:n_kept], labels, "" if not all(ignored) else NOTHING, not text.startswith(prompt_text))

    def step(self, prompt: Turns, prefix: str, step: str) -> Rendered:
        """A step that continues `prefix`, the answer so far. Nothing is added behind it."""
        try:
            opened = self._template(prompt, generation=True)
        except TemplateError:
            return Rendered([], [], UNRENDERED)
        if prefix.startswith(OPENING) and opened.rstrip().endswith(OPENING):  # the template opens the thought itself
            opened = opened.rstrip().removesuffix(OPENING)
        ids, _, n_prompt = self._encode(opened + prefix, opened + prefix + step)
        labels = [IGNORED] * n_prompt + ids[n_prompt:]
        fault = NOTHING if n_prompt == len(ids) else CONTROL if self.end_ids & set(ids[n_prompt:]) else ""
        return Rendered(ids, labels, fault)

    def _template(self, turns: Turns, generation: bool) -> str:
        return self.tokenizer.apply_chat_template(
            [dict(turn) for turn in turns], tokenize=False, add_generation_prompt=generation
        )

    def _encode(self, prompt_text: str, text: str) -> tuple[list[int], list[tuple[int, int]], int]:
        """Tokens and offsets of the whole text, and how many tokens of it are the prompt's."""
        whole = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        prompt_ids = self.tokenizer(prompt_text, add_special_tokens=False)["input_ids"]
        ids = whole["input_ids"]
        n_prompt = next(
            (i for i, (a, b) in enumerate(zip(prompt_ids, ids, strict=False)) if a != b), min(len(prompt_ids), len(ids))
        )
        return ids, whole["offset_mapping"], n_prompt


def _forms(answer: str) -> Iterator[dict[str, str]]:
    """The assistant's turn as one text, and with the thinking apart."""
    yield {"content": answer}
    parsed = parse_completion(answer)
    if parsed.markup is Markup.THINK and not parsed.flags:
        yield {"content": parsed.response, "reasoning_content": parsed.reasoning}


def _fault(text: str, answer: str, place: int, learnt_from: int, spans: list[tuple[int, int]]) -> str:
    """What the template did to an answer that stands at `place`, -1 where it is not there as a whole."""
    reasoning = parse_completion(answer).reasoning
    if place >= 0:
        if text[place:learnt_from].strip() not in ("", OPENING):  # the opening tag may belong to the prompt
            return HIDDEN
        front = text[learnt_from:place].strip()
        return INSERTED if front and (reasoning or _TAGS.sub("", front)) else ""
    if reasoning and reasoning not in text[learnt_from:]:
        return HIDDEN
    return UNPLACED if spans else ""


def _faulty(ids: list[int], fault: str) -> Rendered:
    return Rendered(ids, [IGNORED] * len(ids), fault)
