"""A recipe: the source code of a dataset. Everything that may change the data stands in it, and nothing else.

    name: quickstart
    seed: 17
    engines: {teacher: {model: tiny/teacher}}
    nodes:
      problems: {stage: ingest, path: tiny/problems.jsonl}
      traces:   {stage: generate, engine: teacher, samples: 8}
      verified: {stage: verify}                       # reads the node above unless `from` names others

The same object can be built in Python. Reading collects every mistake, each with file, line and remedy, and raises them
together; `pipeline.bind` finds those of recipes built in Python. Nothing is computed before.
"""

from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SerializeAsAny

from pipeline.check import Mistake, default_parents
from pipeline.engines.engine import EngineSpec
from pipeline.lookup import alias
from pipeline.reader import Change, Reader
from pipeline.stage import Stage


class Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: SerializeAsAny[Stage]
    after: tuple[str, ...] | None = None
    """Nodes whose rows come in; None is the node before."""


class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """Names runs and datasets: lower-case letters, digits, - and _."""
    seed: int = 0
    """Seeds of single calls are derived from it."""
    max_bad_share: float = Field(default=0.1, ge=0, le=1)
    """A run fails when a larger share of a node's rows is bad."""
    engines: dict[str, EngineSpec] = {}
    nodes: dict[str, Node]
    _reader: "Reader | None" = PrivateAttr(default=None)

    @staticmethod
    def read(path: str | Path, change: Change | None = None) -> "Recipe":
        """Raises RecipeError with every mistake of the file."""
        return Reader(Path(path), change or Change()).recipe()

    def place(self, mistake: Mistake) -> str:
        """The mistake with file and line, where the recipe was read from a file."""
        return (
            f"{mistake.section}.{mistake.name}: {mistake.text}" if self._reader is None else self._reader.place(mistake)
        )

    def parents(self, name: str) -> tuple[str, ...]:
        node, names = self.nodes[name], list(self.nodes)
        return default_parents(names, name, node.stage) if node.after is None else node.after

    def seeded(self) -> "Recipe":
        """The recipe's seed handed on to every stage that has a `seed` of its own and left it unset."""
        nodes = {
            name: node.model_copy(update={"stage": node.stage.model_copy(update={"seed": self.seed})})
            if "seed" in type(node.stage).model_fields and "seed" not in node.stage.model_fields_set
            else node
            for name, node in self.nodes.items()
        }
        return self.model_copy(update={"nodes": nodes})

    def to_dict(self) -> dict[str, Any]:
        """The YAML form."""
        nodes = {}
        for name, node in self.nodes.items():
            line: dict[str, Any] = {"stage": alias(type(node.stage))}
            if node.after is not None:
                line["from"] = list(node.after)
            nodes[name] = line | node.stage.model_dump(mode="json", exclude_unset=True)
        engines = {name: spec.model_dump(mode="json", exclude_unset=True) for name, spec in self.engines.items()}
        head = self.model_dump(mode="json", exclude={"nodes", "engines"})
        return head | {"engines": engines, "nodes": nodes}

    def to_yaml(self) -> str:
        from ruamel.yaml import YAML

        out = StringIO()
        YAML(typ="safe").dump(self.to_dict(), out)
        return out.getvalue()
