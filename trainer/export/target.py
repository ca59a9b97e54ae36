"""What an export target says about itself: which releases it reads, its columns, and how a row becomes one of its rows.

released row ── Target.convert ──> row of the target, or LeftOut with the reason ──> `trainer.export.export`
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

Row = Mapping[str, Any]
TURNS = pa.list_(pa.struct([pa.field("role", pa.string()), pa.field("content", pa.string())]))
TEXT = pa.string()


class LeftOut(Exception):
    """The target cannot express the row; the message says what of it."""


@dataclass(frozen=True)
class Options:
    """What the user may set."""

    split: str = ""
    """Name of the data file; empty takes the split of the release."""
    data_source: str = ""
    """Name that routes every row to one reward function, in place of the target's own."""
    instruction: str = ""
    """Text behind every problem of an RL set, e.g. where the final answer is to stand."""


@dataclass(frozen=True)
class Target:
    form: str
    """The release format that it reads."""
    convert: Callable[[Row, int, Options], dict[str, Any]]
    """(released row, its number, options) -> row. Raises LeftOut."""
    schema: pa.Schema | None = None
    """Of the Parquet file; None writes JSON lines."""
    texts: tuple[str, ...] = ()
    """Parquet paths of long or unique texts, where a dictionary would cost time and save nothing."""
    side_files: Mapping[str, Callable[[str, str], dict[str, Any]]] = field(default_factory=dict)
    """Name of a further JSON file -> (name of the data set, name of the data file) -> its content."""


def check_plain(row: Row) -> None:
    """Raises LeftOut for a supervised row that plain fine-tuning would learn in the wrong way."""
    if row["weight"] not in (None, 1.0):
        raise LeftOut("it has a weight of its own")
    if any(span["kind"] == "masked" for span in row["segments"] or ()):
        raise LeftOut("a part of it is masked from the loss")


def check_whole(row: Row) -> None:
    """Raises LeftOut for a pair of steps: no other trainer can put a prefix into the assistant's turn."""
    if row["prefix"]:
        raise LeftOut("it is a pair of steps behind a prefix")


def prompt_of(row: Row, options: Options) -> list[dict[str, str]]:
    """The turns of an RL prompt, the instruction behind the last one."""
    *before, last = row["prompt"]
    if not options.instruction:
        return [*before, last]
    return [*before, last | {"content": f"{last['content']}\n\n{options.instruction}"}]
