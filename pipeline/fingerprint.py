"""Names for computations: what is equal by name has equal results and is never computed twice.

    identity(stage, reads, engine)  -> plain dict, kept beside the ledger for people to read
    fingerprint(identity)           -> 32 hex digits, the folder of the stage's ledger
    row_key(fingerprint, values)    -> 16 bytes, one row of that ledger

A value without a stable form is refused with its type and a remedy: a wrong guess here would silently mix results.
Fields that still hold their default do not enter, so a stage can gain an option without invalidating old rows.
"""

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from hashlib import blake2b
from typing import Any

from pydantic import BaseModel

from pipeline.errors import RecipeError
from pipeline.stage import NOT_IDENTITY, Stage

DIGEST_BYTES = 16


def canonical(value: Any) -> Any:
    """`value` in JSON types with one form for equal values; raises RecipeError for what has no stable form."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, BaseModel):  # with its class: two kinds of settings may both be left at their defaults
        return {"class": type(value).__qualname__, **changed_fields(value)}
    if isinstance(value, Mapping):
        return {str(key): canonical(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((canonical(item) for item in value), key=json.dumps)
    raise RecipeError(
        f"a value of type {type(value).__name__} has no stable form and cannot enter a fingerprint; "
        "use text, numbers, lists, mappings or a pydantic model"
    )


def changed_fields(model: BaseModel) -> dict[str, Any]:
    """The fields that differ from their defaults, less those marked `NOT_IDENTITY`."""
    fields = type(model).model_fields
    values = {name: getattr(model, name) for name, info in fields.items() if NOT_IDENTITY not in info.metadata}
    return {
        name: canonical(value)
        for name, value in sorted(values.items())
        if value != fields[name].get_default(call_default_factory=True)
    }


def digest(value: Any) -> str:
    """32 hex digits naming a canonical value."""
    text = json.dumps(canonical(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()


def digest_bytes(data: bytes) -> str:
    return blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


def identity(stage: Stage, reads: Iterable[str], engine: Mapping[str, str] | None) -> dict[str, Any]:
    """Everything that may change what `stage` writes, given the columns it is bound to and its engine's identity."""
    fields = changed_fields(stage)
    fields.pop("engine", None)  # a name inside the recipe; the model behind it is what counts
    return {
        "stage": f"{type(stage).__module__}:{type(stage).__qualname__}",
        "version": stage.version,
        "reads": list(reads),
        "writes": [[column.name, str(column.type)] for column in stage.writes],
        "fields": fields,
        "prompts": {name: digest(text) for name, text in sorted(stage.prompts().items())},
        "code": canonical(stage.code_identity()),
        "engine": canonical(engine),
    }


def row_key(fingerprint: str, values: Any) -> bytes:
    """16 bytes naming one unit of work: a stage and the values of exactly the columns that it reads."""
    text = json.dumps([fingerprint, values], ensure_ascii=False, separators=(",", ":"), default=canonical)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
