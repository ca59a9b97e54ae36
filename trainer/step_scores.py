"""Which steps of a completion are sound, for shapers that give credit step by step: the step audit as process reward.

    completion text ── audit (verifiers.audit) ──> steps ──> 0 for a step that states something false, 1 for any other
    token ids ── bytes of each token ──────────────────────> position after the last token of each step

No reward model and no judge: an arithmetic statement is recomputed exactly, and what cannot be read counts as sound. So
a step is only ever blamed for what it says in numbers. A process reward model gives finer scores; a score from
elsewhere fits the same two lists (`GroupView.step_ends`, `GroupView.step_scores`).
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from schemas.trace import segment
from verifiers.audit import Status, audit

StepScores = tuple[list[int], list[float]]
"""Ends of the steps in tokens, ascending, and the score of each, 0 to 1."""


class StepAudit:
    """Scores the steps of completions that one tokenizer wrote."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._added = {place: len(token.content.encode()) for place, token in tokenizer.added_tokens_decoder.items()}

    def __call__(self, token_ids: Sequence[int]) -> StepScores:
        """`token_ids`: a completion without its end-of-turn token. Nothing but white space has no steps."""
        text = self._tokenizer.decode(token_ids, skip_special_tokens=False)
        counts = audit(text).per_step()
        ends_in_text = [step.start + len(step.text) + len(step.separator) for step in segment(text)]
        ends = self._ends(text, token_ids, ends_in_text)
        found: dict[int, float] = {}
        for end, of_step in zip(ends, counts, strict=True):  # two steps may end in one token: the worse one counts
            found[end] = min(found.get(end, 1.0), 0.0 if of_step[Status.FALSE] else 1.0)
        return list(found), list(found.values())

    def _ends(self, text: str, token_ids: Sequence[int], ends_in_text: list[int]) -> list[int]:
        """Position after the token in which each step ends."""
        n_bytes = list(accumulate(self._n_bytes(token_id) for token_id in token_ids))
        if n_bytes and n_bytes[-1] == len(text.encode()):
            return [bisect_left(n_bytes, len(text[:end].encode())) + 1 for end in ends_in_text]
        # No byte-level vocabulary, or bytes that are no text: decode the beginnings, twelve or so for each step.
        places = range(1, len(token_ids) + 1)
        return [
            bisect_left(places, end, key=lambda n: len(self._tokenizer.decode(token_ids[:n]))) + 1
            for end in ends_in_text
        ]

    def _n_bytes(self, token_id: int) -> int:
        """A token of a byte-level vocabulary is written with one letter per byte."""
        known = self._added.get(token_id)
        return len(self._tokenizer.convert_ids_to_tokens(token_id)) if known is None else known
