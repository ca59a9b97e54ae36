"""Reads a recipe from YAML and gathers every mistake with its line, also those that show between the nodes.

file -> YAML with line marks -> stages and engines, each checked by its own model -> Recipe, or all mistakes at once
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.check import Mistake, check, default_parents
from pipeline.engines.engine import EngineSpec
from pipeline.errors import RecipeError
from pipeline.execution import ExecutionConfig
from pipeline.lookup import ROOT, resolve, stage_class, with_locations
from pipeline.marked_yaml import FileKind, line_of, load, mistakes, plain
from pipeline.stage import Source, Stage

if TYPE_CHECKING:
    from pipeline.recipe import Node, Recipe

RECIPE = FileKind("a recipe", "`name` and `nodes`", "`laconic recipes` lists those that ship")


class Change(BaseModel):
    """What the command line puts in place of a part of the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str = ""
    """Another file for the recipe's source, read by automatic detection."""
    limit: int = Field(default=0, ge=0)
    """Only so many problems; 0 takes all."""
    engine: str = ""
    """Another model for every engine; `tiny` is the embedded teacher."""

    def stage(self, stage: Stage) -> Stage:
        fields = type(stage).model_fields
        if not isinstance(stage, Source):
            return stage
        update: dict[str, Any] = {}
        if self.input and "path" in fields:
            kept = {"rows", "kind", "token_counter", "limit", "source", "license"} & set(fields)
            stage = type(stage).model_validate({"path": self.input} | {name: getattr(stage, name) for name in kept})
        if self.limit and "limit" in fields:
            update["limit"] = self.limit
        return stage.model_copy(update=update)

    def engine_spec(self, spec: EngineSpec) -> EngineSpec:
        if not self.engine:
            return spec
        return EngineSpec(model=str(ROOT / "tiny" / "teacher") if self.engine == "tiny" else self.engine)


@dataclass
class Reader:
    """Reads one YAML file, gathering mistakes with their lines."""

    path: Path
    change: Change
    data: Any = None
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def recipe(self) -> "Recipe":
        from pipeline.recipe import Recipe

        self.data = data = load(self.path, RECIPE)
        raw_nodes, raw_engines = self._mapping(data, "nodes"), self._mapping(data, "engines")
        nodes = {str(name): self._node(raw_nodes, name) for name in raw_nodes}
        engines = {str(name): self._engine(raw_engines, name) for name in raw_engines}
        if not raw_nodes:
            self.mistakes.append((1, "a recipe needs `nodes`: at least one, first of all a source such as `ingest`"))
        head = {key: value for key, value in data.items() if key not in ("nodes", "engines")}
        good = {"nodes": {k: v for k, v in nodes.items() if v}, "engines": {k: v for k, v in engines.items() if v}}
        recipe = self._validate(Recipe, head | good, data)
        if self.mistakes:
            self._check_the_rest(nodes, engines)
            lines = [f"{self.path}:{line}: {text}" for line, text in sorted(self.mistakes)]
            raise RecipeError("\n".join(lines))
        recipe._reader = self
        return recipe

    def place(self, mistake: Mistake) -> str:
        line, text = self._located(mistake)
        return f"{self.path}:{line}: {text}"

    def _located(self, mistake: Mistake) -> tuple[int, str]:
        places = (mistake.section, mistake.name, mistake.field)
        return line_of(self.data, places), f"{mistake.section.removesuffix('s')} `{mistake.name}`: {mistake.text}"

    def _check_the_rest(self, nodes: "dict[str, Node | None]", engines: dict[str, EngineSpec | None]) -> None:
        stages = {name: node.stage if node else None for name, node in nodes.items()}
        parents = {}
        for name, node in nodes.items():
            after = node.after if node else None
            parents[name] = default_parents(list(nodes), name, stages[name]) if after is None else after
        self.mistakes += map(self._located, check(stages, parents, engines, ExecutionConfig()))

    def _mapping(self, data: Any, key: str) -> Any:
        value = data.get(key) or {}
        if isinstance(value, dict):
            return value
        self.mistakes.append((line_of(data, (key,)), f"`{key}` must be a mapping of names"))
        return {}

    def _node(self, nodes: Any, name: str) -> "Node | None":
        from pipeline.recipe import Node

        raw, line = nodes[name], line_of(nodes, (name,))
        if not isinstance(raw, dict) or "stage" not in raw:
            self.mistakes.append((line, f"node `{name}` needs a `stage`; `laconic stages` lists them"))
            return None
        try:
            cls = stage_class(str(raw["stage"]))
        except LookupError as error:
            self.mistakes.append((line_of(raw, ("stage",)), f"node `{name}`: {error.args[0]}"))
            return None
        fields = {key: plain(value) for key, value in raw.items() if key not in ("stage", "from")}
        stage = self._validate(cls, fields, raw, f"node `{name}`: ")
        if stage is None:
            return None
        after = raw.get("from")
        parents = None if after is None else (str(after),) if isinstance(after, str) else tuple(map(str, after))
        return Node(stage=with_locations(self.change.stage(stage), self.path.parent), after=parents)

    def _engine(self, engines: Any, name: str) -> EngineSpec | None:
        raw = engines[name]
        if not isinstance(raw, dict):
            self.mistakes.append((line_of(engines, (name,)), f"engine `{name}` needs a `model`"))
            return None
        spec = self._validate(EngineSpec, plain(raw), raw, f"engine `{name}`: ")
        if spec is None:
            return None
        spec = self.change.engine_spec(spec)
        folder = self.path.parent
        update = {key: resolve(getattr(spec, key), folder) for key in ("model", "chat_template") if getattr(spec, key)}
        return spec.model_copy(update=update)

    def _validate(self, cls: type[BaseModel], values: Any, raw: Any, place: str = "") -> Any:
        try:
            return cls.model_validate({key: plain(value) for key, value in values.items()})
        except ValidationError as error:
            self.mistakes += [(line, place + text) for line, text in mistakes(cls, error, raw)]
        return None
