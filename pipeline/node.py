"""A node of a recipe, bound: which columns reach it, what it is called, which engine it talks to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.stage import Artifact, Source, Stage, Table
from schemas.columns import Column


@dataclass(frozen=True)
class BoundNode:
    name: str
    stage: Stage
    after: tuple[str, ...]
    reads: tuple[str, ...]
    """What the stage is given: `reads`, and those of `reads_if_present` that an earlier node wrote."""
    columns: Mapping[str, Column]
    """Every column of the output."""
    fresh: tuple[str, ...]
    """Columns written here that the input does not have."""
    fingerprint: str
    identity: Mapping[str, Any] = field(repr=False)
    engine: str | None = None
    engine_identity: Mapping[str, str] | None = None
    engine_label: tuple[str, str] = ("", "")
    """Model and revision as they are written into rows."""

    @property
    def writes(self) -> pa.Schema:
        return pa.schema([column.field for column in self.stage.writes])

    @property
    def is_whole(self) -> bool:
        """Whether one cell covers all partitions."""
        return isinstance(self.stage, Source | Table | Artifact)

    def input_columns(self) -> list[str]:
        return list(dict.fromkeys(("problem_id", *self.reads)))
