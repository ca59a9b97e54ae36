"""A recipe: the source code of a dataset. Everything that may change the data stands in it, and nothing else.

    name: quickstart
    seed: 17
    engines: {teacher: {model: tiny/teacher}}
    nodes:
      problems: {stage: ingest, path: tiny/problems.jsonl}
      traces:   {stage: generate, engine: teacher, samples: 8}
      verified: {stage: verify}                       # reads the node above unless `from` names others

The same object can be built in Python. Reading collects every mistake, each with file, line and remedy, and raises them
together; `pipeline.bind` adds those that only show between nodes. Nothing is computed before both are silent.
"""

import difflib
import importlib
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SerializeAsAny, ValidationError

from pipeline.check import Mistake, check
from pipeline.engines.engine import EngineSpec
from pipeline.errors import RecipeError
from pipeline.execution import ExecutionConfig
from pipeline.stage import NOT_IDENTITY, Artifact, Fan, Group, Map, Source, Stage, Table

ROOT = Path(__file__).resolve().parent.parent
SHAPES = (Source, Map, Fan, Group, Table, Artifact)


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
    _reader: "_Reader | None" = PrivateAttr(default=None)

    @staticmethod
    def read(path: str | Path, change: "Change | None" = None) -> "Recipe":
        """Raises RecipeError with every mistake of the file."""
        return _Reader(Path(path), change or Change()).recipe()

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
        from io import StringIO

        from ruamel.yaml import YAML

        out = StringIO()
        YAML(typ="safe").dump(self.to_dict(), out)
        return out.getvalue()


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
            stage = type(stage)(path=self.input, **{name: getattr(stage, name) for name in kept})
        if self.limit and "limit" in fields:
            update["limit"] = self.limit
        return stage.model_copy(update=update)

    def engine_spec(self, spec: EngineSpec) -> EngineSpec:
        if not self.engine:
            return spec
        return EngineSpec(model=str(ROOT / "tiny" / "teacher") if self.engine == "tiny" else self.engine)


def default_parents(names: list[str], name: str, stage: Stage | None) -> tuple[str, ...]:
    """The node above; nothing for a source."""
    position = names.index(name)
    return () if isinstance(stage, Source) else tuple(names[max(position - 1, 0) : position])


def stage_class(name: str) -> type[Stage]:
    """The stage in module `stages.<name>`, or the one named `package.module:Class`; raises LookupError."""
    module_name, _, class_name = name.partition(":") if ":" in name else (f"stages.{name}", "", "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise
        raise LookupError(f"there is no stage `{name}`{_did_you_mean(name, stage_names())}") from error
    if class_name:
        if not hasattr(module, class_name):
            raise LookupError(f"module {module_name} has no class {class_name}")
        return getattr(module, class_name)
    found = [cls for cls in vars(module).values() if _is_stage_of(cls, module_name)]
    if len(found) != 1:
        raise LookupError(f"module {module_name} defines {len(found)} stages; name one as `{module_name}:Class`")
    return found[0]


def _is_stage_of(value: Any, module_name: str) -> bool:
    return inspect.isclass(value) and issubclass(value, SHAPES) and value.__module__ == module_name


def alias(cls: type[Stage]) -> str:
    """The shortest name under which a recipe finds the stage."""
    module, _, last = cls.__module__.rpartition(".")
    return last if module == "stages" else f"{cls.__module__}:{cls.__qualname__}"


def stage_names() -> list[str]:
    """Every module under `stages/` that defines a stage."""
    names = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
    return [name for name in names if _defines_stage(name)]


def _defines_stage(name: str) -> bool:
    module = importlib.import_module(f"stages.{name}")
    return any(_is_stage_of(value, module.__name__) for value in vars(module).values())


def resolve(path: str, *folders: Path) -> str:
    """A path as it stands if it is absolute, a URI or there; else below the recipe's folder or the project's root."""
    if "://" in path or Path(path).is_absolute() or Path(path).exists():
        return path
    return next((str(folder / path) for folder in (*folders, ROOT) if (folder / path).exists()), path)


def with_locations(stage: Stage, *folders: Path) -> Stage:
    """The stage with every path field resolved."""
    fields = type(stage).model_fields
    found = {
        name: resolve(getattr(stage, name), *folders)
        for name, info in fields.items()
        if NOT_IDENTITY in info.metadata and info.annotation is str and getattr(stage, name)
    }
    return stage.model_copy(update=found) if found else stage


def _did_you_mean(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{close[0]}`?" if close else f"; there are: {', '.join(known)}"


@dataclass
class _Reader:
    """Reads one YAML file, gathering mistakes with their lines."""

    path: Path
    change: Change
    data: Any = None
    mistakes: list[tuple[int, str]] = field(default_factory=list)

    def recipe(self) -> Recipe:
        self.data = data = self._load()
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
        return _deep_line(self.data, places), f"{mistake.section.removesuffix('s')} `{mistake.name}`: {mistake.text}"

    def _check_the_rest(self, nodes: dict[str, Node | None], engines: dict[str, EngineSpec | None]) -> None:
        stages = {name: node.stage if node else None for name, node in nodes.items()}
        parents = {}
        for name, node in nodes.items():
            after = node.after if node else None
            parents[name] = default_parents(list(nodes), name, stages[name]) if after is None else after
        self.mistakes += map(self._located, check(stages, parents, engines, ExecutionConfig()))

    def _load(self) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError

        try:
            data = YAML().load(self.path.read_text())
        except FileNotFoundError:
            raise RecipeError(f"there is no recipe {self.path}; `laconic recipes` lists those that ship") from None
        except (IsADirectoryError, UnicodeDecodeError) as error:
            raise RecipeError(f"{self.path} is not a recipe: {error}") from None
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise RecipeError(f"{self.path}:{line}: not valid YAML: {error.problem}") from None
        if not isinstance(data, dict):
            raise RecipeError(f"{self.path}:1: a recipe is a mapping with `name` and `nodes`")
        return data

    def _mapping(self, data: Any, key: str) -> Any:
        value = data.get(key) or {}
        if isinstance(value, dict):
            return value
        self.mistakes.append((_line(data, key), f"`{key}` must be a mapping of names"))
        return {}

    def _node(self, nodes: Any, name: str) -> Node | None:
        raw, line = nodes[name], _line(nodes, name)
        if not isinstance(raw, dict) or "stage" not in raw:
            self.mistakes.append((line, f"node `{name}` needs a `stage`; `laconic stages` lists them"))
            return None
        try:
            cls = stage_class(str(raw["stage"]))
        except LookupError as error:
            self.mistakes.append((_line(raw, "stage"), f"node `{name}`: {error.args[0]}"))
            return None
        fields = {key: _plain(value) for key, value in raw.items() if key not in ("stage", "from")}
        stage = self._validate(cls, fields, raw, f"node `{name}`: ")
        if stage is None:
            return None
        after = raw.get("from")
        parents = None if after is None else (str(after),) if isinstance(after, str) else tuple(map(str, after))
        return Node(stage=with_locations(self.change.stage(stage), self.path.parent), after=parents)

    def _engine(self, engines: Any, name: str) -> EngineSpec | None:
        raw = engines[name]
        if not isinstance(raw, dict):
            self.mistakes.append((_line(engines, name), f"engine `{name}` needs a `model`"))
            return None
        spec = self._validate(EngineSpec, _plain(raw), raw, f"engine `{name}`: ")
        if spec is None:
            return None
        spec = self.change.engine_spec(spec)
        folder = self.path.parent
        update = {key: resolve(getattr(spec, key), folder) for key in ("model", "chat_template") if getattr(spec, key)}
        return spec.model_copy(update=update)

    def _validate(self, cls: type[BaseModel], values: Any, raw: Any, place: str = "") -> Any:
        try:
            return cls.model_validate({key: _plain(value) for key, value in values.items()})
        except ValidationError as error:
            for mistake in error.errors(include_url=False):
                self.mistakes.append((_deep_line(raw, mistake["loc"]), place + _sentence(cls, mistake)))
        return None


def _sentence(cls: type[BaseModel], mistake: Any) -> str:
    name = ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "extra_forbidden" and len(mistake["loc"]) == 1:
        return f"there is no field `{name}`{_did_you_mean(name, list(cls.model_fields))}"
    if mistake["type"] == "missing":
        return f"`{name}` is missing"
    given = f", not {mistake['input']!r:.80}" if name else ""
    return f"`{name}`: {mistake['msg'].removeprefix('Value error, ')}{given}"


def _line(mapping: Any, key: Any) -> int:
    """Line of a key, counted from 1."""
    try:
        return mapping.lc.key(key)[0] + 1
    except (AttributeError, KeyError):
        return 1


def _deep_line(raw: Any, places: tuple[Any, ...]) -> int:
    """Line of the deepest part of `places` that stands in the file; of the mapping itself if none does."""
    line = raw.lc.line + 1 if hasattr(raw, "lc") else 1
    for place in places:
        if isinstance(raw, dict) and place in raw:
            line, raw = _line(raw, place), raw[place]
        elif isinstance(raw, list) and isinstance(place, int) and place < len(raw):
            line, raw = raw.lc.item(place)[0] + 1, raw[place]
        else:
            break
    return line


def _plain(value: Any) -> Any:
    """YAML's annotated containers as plain Python."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return value
