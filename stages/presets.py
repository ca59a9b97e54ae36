"""Column conventions of published data sets: which of their columns is which of ours.

    records ── available ──> what there is ── choose_layout ──> Layout: own name -> where in the record

A place in a record is written as it is printed to the user:

    answer                         a column
    reward_model.ground_truth      a field of a struct (or of a JSON text)
    messages[user]                 text of the first message of that role
    messages[user].info.source     a further field of that message
    generations[]                  each element is a trace of its own
    r1_solution_*                  each matching column, in order of name, is a trace of its own
    =DeepSeek-R1                   this text in every row

A preset names the columns that tell its convention; what it leaves open is filled from `SYNONYMS`.
"""

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PROBLEM_NAMES = ("problem", "answer", "solution", "kind", "tests", "choices", "source", "source_id", "license")
TRACE_NAMES = ("response", "reasoning", "model", "sample_index", "finish_reason")
_ROLES = {"user": ("user", "human"), "assistant": ("assistant", "gpt", "model"), "system": ("system",)}
_PART = re.compile(r"(?P<key>[^\[\]]+)(?:\[(?P<role>\w+)\])?")

SYNONYMS: dict[str, tuple[str, ...]] = {
    "problem": (
        "problem", "question", "prompt", "prompt[user]", "instruction", "input", "messages[user]",
        "conversations[user]",
    ),
    "answer": (
        "answer", "final_answer", "expected_answer", "ground_truth", "reference_answer", "gold",
        "reward_model.ground_truth",
    ),
    "solution": ("solution", "reference_solution", "gold_standard_solution"),
    "tests": ("tests", "test_cases"),
    "choices": ("choices", "options"),
    "source": ("source", "data_source", "dataset", "problem_source"),
    "source_id": ("id", "uuid", "unique_id", "problem_id", "extra_info.index"),
    "license": ("license", "licence"),
    "response": (
        "response", "completion", "completion[assistant]", "generated_solution", "generation", "output",
        "llm_response", "proof", "messages[assistant]", "conversations[assistant]",
    ),
    "reasoning": (
        "reasoning", "reasoning_content", "thinking", "messages[assistant].reasoning_content",
        "messages[assistant].thinking",
    ),
    "model": ("model", "model_name", "generation_model"),
    "sample_index": ("sample", "sample_index"),
    "finish_reason": ("finish_reason", "stop_reason"),
}  # fmt: skip


@dataclass(frozen=True)
class Preset:
    """`marks` must all be there. `aligned`: lists with one value per trace. `left_out`: columns that repeat others."""

    marks: tuple[str, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)
    aligned: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    no_answer: tuple[str, ...] = ()
    """Words in the answer column that mean that there is none."""


@dataclass(frozen=True)
class Layout:
    preset: str
    mapping: dict[str, str]
    aligned: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    no_answer: tuple[str, ...] = ()


PRESETS: dict[str, Preset] = {
    "openr1": Preset(  # OpenR1-Math-220k
        ("problem", "generations"),
        {"source_id": "uuid", "response": "generations[]", "finish_reason": "finish_reasons[]"},
        aligned=("is_reasoning_complete", "correctness_math_verify", "correctness_llama"),
        left_out=("messages",),
    ),
    "s1k": Preset(
        ("question", "deepseek_thinking_trajectory", "deepseek_attempt"),
        {
            "source": "source_type", "reasoning": "deepseek_thinking_trajectory", "response": "deepseek_attempt",
            "model": "=DeepSeek-R1",
        },
        left_out=("gemini_thinking_trajectory", "gemini_attempt"),
    ),
    "deepmath": Preset(
        ("question", "final_answer", "r1_solution_1"), {"response": "r1_solution_*", "model": "=DeepSeek-R1"}
    ),
    "openmathreasoning": Preset(("problem", "generated_solution", "expected_answer")),
    "numina": Preset(("problem", "solution", "problem_is_valid"), {"response": "solution"},
                     left_out=("messages",), no_answer=("proof", "notfound")),
    "numina_cot": Preset(("problem", "solution", "messages[assistant]"), {"response": "solution"},
                         left_out=("messages",)),
    "verl": Preset(
        ("prompt[user]", "reward_model.ground_truth"),
        {"kind": "ability", "source": "data_source"},
    ),
    "am": Preset(  # AM-DeepSeek-R1-Distilled
        ("messages[user]", "messages[user].info.reference_answer"),
        {
            "answer": "messages[user].info.reference_answer", "tests": "messages[user].info.test_case",
            "source": "messages[user].info.source",
        },
    ),
    "openthoughts": Preset(("conversations[user]", "conversations[assistant]")),
    "messages": Preset(("messages[user]", "messages[assistant]")),  # LiteCoT, SmallThoughts, Mixture-of-Thoughts
    "synthetic": Preset(  # SYNTHETIC-1 and verifiable-*
        ("prompt", "verification_info"),
        {
            "answer": "verification_info.ground_truth", "tests": "verification_info.test_cases",
            "kind": "task_type", "source_id": "problem_id",
        },
    ),
    "json_answers": Preset(("problem", "response", "reasoning", "model_answer"), {"reasoning": ""},
                           left_out=("reasoning",)),
    "limo": Preset(("question", "solution", "answer"), {"response": "solution"}),
    "columns": Preset(()),
}  # fmt: skip
"""In the order in which they are tried; `columns` fits everything and goes by `SYNONYMS` alone."""


def available(column_names: Iterable[str], records: Iterable[Mapping[str, Any]]) -> dict[str, None]:
    """Every place that a sample of records shows. A message list is shown by its roles, not as a column."""
    found, message_lists = dict.fromkeys(column_names), set()
    for record in records:
        for key, value in record.items():
            message_lists |= {key} if _is_messages(value) else set()
            found |= dict.fromkeys(_places(key, value))
    return {place: None for place in found if place not in message_lists}


def _places(key: str, value: Any) -> list[str]:
    if _is_messages(value):
        return [place for role in _ROLES if (one := _message(value, role)) for place in _message_places(key, role, one)]
    return [key, *(f"{key}.{name}" for name in value)] if isinstance(value, dict) else [key]


def _message_places(key: str, role: str, message: Mapping[str, Any]) -> list[str]:
    place, places = f"{key}[{role}]", [f"{key}[{role}]"]
    for name, value in message.items():
        if name not in ("role", "content", "from", "value"):
            places += [f"{place}.{name}.{inner}" for inner in value] if isinstance(value, dict) else [f"{place}.{name}"]
    return places


def choose_layout(preset: str, columns: Mapping[str, str], found: Mapping[str, None]) -> Layout:
    """Explicit `columns` win over the preset, the preset over synonyms; an empty place switches a name off."""
    names = [preset] if preset != "auto" else [name for name, one in PRESETS.items() if set(one.marks) <= set(found)]
    chosen = PRESETS[names[0]]
    mapping = {own: place for own, place in chosen.mapping.items() if not place or exists(place, found)}
    mapping.update(columns)
    used = set(mapping.values())
    for own, places in SYNONYMS.items():
        for place in places:
            if own not in mapping and place in found and place not in used:
                mapping[own] = place
    order = [own for own in (*PROBLEM_NAMES, *TRACE_NAMES) if mapping.get(own)]
    return Layout(names[0], {own: mapping[own] for own in order}, chosen.aligned, chosen.left_out, chosen.no_answer)


def exists(place: str, found: Mapping[str, None]) -> bool:
    """Whether `place` can hold anything. What stands inside a JSON text is not looked into."""
    if place.startswith("="):
        return True
    if place.endswith("*"):
        return any(fnmatch.fnmatchcase(name, place) for name in found)
    return place.removesuffix("[]") in found or ("." in place and place.split(".")[0] in found)


def uses_up(place: str, column: str) -> bool:
    """Whether `place` takes all that `column` says."""
    return fnmatch.fnmatchcase(column, place) if place.endswith("*") else top_column(place) == column


def top_column(place: str) -> str | None:
    """The column that is used up by `place`; None for a constant or one field of a struct, whose rest remains."""
    if place.startswith("=") or ("." in place and "[" not in place):
        return None
    return place.split("[")[0]


def look_up(record: Mapping[str, Any], place: str) -> Any:
    """The value at `place`, None where there is none; a list for `[]` and `*` places."""
    if place.startswith("="):
        return place[1:]
    if place.endswith("*"):
        return [record[name] for name in sorted(record) if fnmatch.fnmatchcase(name, place)]
    if place in record or place.endswith("[]"):
        return record.get(place.removesuffix("[]"))
    value: Any = record
    for part in place.split("."):
        value = _maybe_json(value) if isinstance(value, str) else value
        match = _PART.fullmatch(part)
        value = value.get(match["key"]) if match and isinstance(value, Mapping) else None
        if match and match["role"]:
            value = _message(value, match["role"])
    return _content(value) if place.endswith("]") else value


def n_turns(record: Mapping[str, Any], column: str) -> int:
    """User turns in a message list; 0 for any other column."""
    value = record.get(column)
    return sum(_role(message) in _ROLES["user"] for message in value) if value and _is_messages(value) else 0


def explodes(place: str) -> bool:
    return place.endswith(("[]", "*"))


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and _role(one) for one in value)


def _role(message: Mapping[str, Any]) -> str | None:
    return message.get("role") or message.get("from")


def _message(value: Any, role: str) -> Mapping[str, Any] | None:
    messages = value if _is_messages(value) else []
    return next((one for one in messages if _role(one) in _ROLES.get(role, (role,))), None)


def _content(message: Mapping[str, Any] | None) -> Any:
    return None if message is None else message.get("content", message.get("value"))


def _maybe_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
