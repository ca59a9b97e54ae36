"""Text for the report. What a model or a file wrote is hostile: it may hide, reorder or forge what a reader sees.

    any string ── visible ──> nothing invisible left ──┬── HTML: escaped by Jinja2
                                                       └── Markdown: escape_markdown, code_block

Both templates pass every string through their `finalize`, so no single place can forget it.
"""

import re
from typing import Any, NamedTuple

from markupsafe import Markup

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, or reorder text
    "\ud800-\udfff\U000e0000-\U000e007f]"  # lone surrogates; tags, which can carry a whole hidden text
)
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|&~$#!]")


class Excerpt(NamedTuple):
    head: str
    n_left_out: int
    """Characters between `head` and `tail`."""
    tail: str


def visible(text: str) -> str:
    """Hidden characters by name, e.g. `⟨U+202E⟩`; lines end in a line feed."""
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def shorten(text: str, n_characters: int) -> Excerpt:
    """Beginning and end of a text, two to one, of at most `n_characters` together, cut between words where there are.

    A text that is hardly longer than that stays whole.
    """
    if len(text) <= n_characters * 1.1:
        return Excerpt(text, 0, "")
    n_tail = n_characters // 3
    head, tail = text[: n_characters - n_tail], text[len(text) - n_tail :]
    last, first = re.search(r"\s\S{0,40}\Z", head), re.match(r"\S{0,40}\s", tail)
    head, tail = head[: last.start()] if last else head, tail[first.end() :] if first else tail
    return Excerpt(head, len(text) - len(head) - len(tail), tail)


def finalize_html(value: Any) -> Any:
    """Jinja2 escapes what this returns."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def finalize_markdown(value: Any) -> Any:
    """One line that cannot end a table cell, start HTML or a link, or be taken for mathematics."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(visible(value).split()))


def code_block(text: str) -> Markup:
    """A fenced block; its fence is longer than any run of backticks in the text."""
    shown = visible(text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}text\n{shown}\n{fence}")
