"""Finds what a recipe names: stages by the name of their module, files beside the recipe or in the project."""

import difflib
import importlib
import inspect
from pathlib import Path
from typing import Any

from pipeline.stage import NOT_IDENTITY, Artifact, Fan, Group, Map, Source, Stage, Table

ROOT = Path(__file__).resolve().parent.parent
SHAPES = (Source, Map, Fan, Group, Table, Artifact)


def stage_class(name: str) -> type[Stage]:
    """The stage in module `stages.<name>`, or the one named `package.module:Class`; raises LookupError."""
    module_name, _, class_name = name.partition(":") if ":" in name else (f"stages.{name}", "", "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise
        raise LookupError(f"there is no stage `{name}`{did_you_mean(name, stage_names())}") from error
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


def did_you_mean(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean `{close[0]}`?" if close else f"; there are: {', '.join(known)}"
