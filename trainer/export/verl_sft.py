"""Traces for verl's SFT trainer: one Parquet file of `MultiTurnSFTDataset`, which reads `messages`.

verl 0.9.1 renders each turn with the chat template by itself and cuts or refuses rows beyond `max_length`, 1024 unless
set. A template that drops the thinking of earlier turns shows it here, for the answer is the last turn.
"""

from typing import Any

import pyarrow as pa

from trainer.export.target import TEXT, TURNS, Options, Row, Target, check_plain

SCHEMA = pa.schema([pa.field("messages", TURNS), pa.field("problem_id", TEXT), pa.field("trace_id", TEXT)])


def convert(row: Row, index: int, options: Options) -> dict[str, Any]:
    check_plain(row)
    return {name: row[name] for name in SCHEMA.names}


TARGETS = (Target("sft", convert, SCHEMA, ("messages.list.element.content", "problem_id", "trace_id")),)
