"""YAML whose mistakes know their line: recipes, execution configs and training configurations are all read here.

file ── load ──> mapping with line marks ── plain ──> values ── pydantic ──> model
                              └──────────── mistakes ────────────────────> (line, sentence) for each
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.errors import LaconicError, RecipeError
from pipeline.lookup import did_you_mean


@dataclass(frozen=True)
class FileKind:
    """What kind of file is expected, in the words of its error messages."""

    name: str
    """With its article."""
    needs: str
    """What stands at its top."""
    examples: str
    """Where good ones are found."""
    error: type[LaconicError] = RecipeError


def load(path: Path, kind: FileKind) -> Any:
    """The mapping in a file, every part with its line; an empty file is an empty mapping. Raises `kind.error`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        data = YAML().load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise kind.error(f"{path}: cannot be read ({reason}); {kind.examples}") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise kind.error(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except YAMLError as error:  # a character that YAML does not know, such as NUL
        raise kind.error(f"{path}:1: not valid YAML: {str(error).splitlines()[0]}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise kind.error(f"{path}:1: {kind.name} is a mapping with {kind.needs}")
    return data


def plain(value: Any) -> Any:
    """YAML's annotated containers as plain Python; the key `null`, which YAML reads as None, under its name."""
    if isinstance(value, dict):
        return {"null" if key is None else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def line_of(marked: Any, places: Sequence[str | int] = ()) -> int:
    """Line, counted from 1, of the deepest of `places` that stands in the file; of the mapping itself if none does.

    The names that pydantic adds for the member of a union stand in no file and are passed over.
    """
    line = marked.lc.line + 1 if hasattr(marked, "lc") else 1
    for place in places:
        if isinstance(marked, dict) and place in marked:
            line = _line_of_key(marked, place, line)
        elif isinstance(marked, list) and isinstance(place, int) and place < len(marked):
            line = marked.lc.item(place)[0] + 1  # type: ignore[attr-defined]
        else:
            continue
        marked = marked[place]
    return line


def _line_of_key(marked: Any, key: str | int, otherwise: int) -> int:
    """A key that came through `<<` has no line of its own: it stands in another mapping."""
    return marked.lc.key(key)[0] + 1 if key in (marked.lc.data or {}) else otherwise


def mistakes(cls: type[BaseModel], error: ValidationError, marked: Any) -> list[tuple[int, str]]:
    """Every mistake of a model's values as its line and a sentence with the remedy where it is known.

    A part that is wrong only because of one within it (a list is too short without its bad item) is left out.
    """
    found = error.errors(include_url=False)
    places = [one["loc"] for one in found]
    inner = [one for one in found if not any(loc[: len(one["loc"])] == one["loc"] != loc for loc in places)]
    return [(line_of(marked, one["loc"]), _sentence(cls, one)) for one in inner]


def _sentence(cls: type[BaseModel], mistake: Any) -> str:
    name, kind, context = ".".join(map(str, mistake["loc"])), mistake["type"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        *above, last = mistake["loc"]
        return f"there is no field `{name}`{did_you_mean(str(last), _fields_at(cls, above))}"
    if kind == "missing":
        return f"`{name}` is missing"
    if kind == "union_tag_not_found":
        return f"`{name}` needs a {_bare(context['discriminator'])}"
    if kind == "union_tag_invalid":
        tag, known = str(context["tag"]), re.findall(r"'([^']*)'", context["expected_tags"])
        return f"`{name}`: there is no {_bare(context['discriminator'])} `{tag}`{did_you_mean(tag, known)}"
    text = mistake["msg"].removeprefix("Value error, ")
    return f"`{name}`: {text}, not {str(mistake['input'])[:80]!r}" if name else text


def _fields_at(cls: type[BaseModel], places: Sequence[str | int]) -> list[str]:
    """Fields of the model that stands at `places`; of all that may stand there where a union leaves it open."""
    models = [cls]
    for place in places:
        inner = [model for outer in models if place in outer.model_fields for model in _models(outer, str(place))]
        tagged = [model for model in models if any(info.default == place for info in model.model_fields.values())]
        models = inner or tagged or models
    return list(dict.fromkeys(name for model in models for name in model.model_fields))


def _models(cls: type[BaseModel], name: str) -> list[type[BaseModel]]:
    """The models in a field's annotation, however deep: `dict[str, A]`, `tuple[A | B, ...]`, `A | None`."""
    found, waiting = [], [cls.model_fields[name].annotation]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, type) and issubclass(one, BaseModel):
            found.append(one)
        waiting += get_args(one)
    return found


def _bare(quoted: str) -> str:
    return quoted.strip("'")
