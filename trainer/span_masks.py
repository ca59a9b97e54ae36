"""Spans of an answer that are read and not learnt: text stays in the context, its tokens get no loss.

    segments of a row ── masked_spans ──> character spans ── overlaps ──> one bool per token ──> labels of -100

Self-Braking Tuning (Zhao et al., arXiv 2505.14604) keeps a part of the superfluous thinking in front of the
braking sentence and masks it, so that the student learns to stop there and not to write it. A token that touches a
masked span at all is masked: no part of the span may be learnt.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MASKED = "masked"


def masked_spans(segments: Iterable[Mapping[str, Any]] | None, n_characters: int) -> list[tuple[int, int]]:
    """Start and end of the segments of kind `masked`, in characters of the assistant turn.

    Raises ValueError for a segment that does not lie inside the turn's `n_characters`.
    """
    spans = []
    for segment in segments or ():
        start, end = segment["start"], segment["end"]
        if start is None or end is None or not 0 <= start <= end <= n_characters:
            raise ValueError(f"a segment from {start} to {end} in a text of {n_characters} characters")
        if segment["kind"] == MASKED:
            spans.append((start, end))
    return spans


def overlaps(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]], n_characters: int) -> list[bool]:
    """Which tokens, given by their character offsets, touch one of the spans."""
    covered = bytearray(n_characters)
    for start, end in spans:
        covered[start:end] = b"\x01" * (end - start)
    return [any(covered[start:end]) for start, end in offsets]
