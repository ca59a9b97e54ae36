"""Which cells a recipe has on a store, and the name of each once the views it reads are there."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.cell import Cell
from pipeline.fingerprint import digest
from pipeline.node import BoundNode
from pipeline.recipe import Recipe
from pipeline.stage import Artifact, Source
from pipeline.store import Store

WHOLE = -1
"""Partition of a cell that covers all."""


@dataclass
class Cells:
    """`views` holds, per node and partition, the outputs that are there; the caller adds to it as cells are done."""

    recipe: Recipe
    nodes: dict[str, BoundNode]
    store: Store
    views: dict[str, dict[int, str]] = field(init=False)
    _source_digests: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.views = {name: {} for name in self.nodes}

    def partitions(self, name: str) -> list[int]:
        return [WHOLE] if self.nodes[name].is_whole else list(range(self.store.n_partitions))

    def cell(self, name: str, partition: int) -> Cell | None:
        """The cell; None while a view that it reads is missing."""
        node = self.nodes[name]
        partitions = range(self.store.n_partitions) if partition == WHOLE else [partition]
        if any(p not in self.views[parent] for parent in node.after for p in partitions):
            return None
        inputs = tuple(tuple(self.views[parent][p] for parent in node.after) for p in partitions)
        return Cell(node, partition, inputs, self._names_beside_inputs(name, node))

    def origin(self) -> dict[str, Any]:
        """Provenance to write beside files: the recipe by fingerprints, without any place."""
        nodes = {name: {"fingerprint": node.fingerprint, **node.identity} for name, node in self.nodes.items()}
        recipe = {"name": self.recipe.name, "seed": self.recipe.seed, "nodes": nodes}
        return {"recipe": recipe | {"digest": digest(recipe)}, "sources": dict(sorted(self._source_digests.items()))}

    def _names_beside_inputs(self, name: str, node: BoundNode) -> tuple[str, ...]:
        if isinstance(node.stage, Source):
            if name not in self._source_digests:
                self._source_digests[name] = node.stage.digest()
            return (self._source_digests[name],)
        if isinstance(node.stage, Artifact):
            return (self.origin()["recipe"]["digest"],)
        return ()
