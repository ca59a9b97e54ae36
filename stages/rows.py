"""One record of a source becomes our rows, or a sentence that says why not.

    record ── items: one per problem, or per trace ──> checked values ──> problem columns (+ trace columns)

`Import` holds what must be remembered between records: which problems, golds and records were seen, and the next
sample index of each problem and model. Nothing is repaired: a wrong type, an empty problem, a null response, a second
row of the same problem are bad rows that name the place of the first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import xxhash

from pipeline.stage import Row
from schemas.markup import ParsedCompletion, parse_completion
from schemas.problem import Kind, as_json, detect_kind, gold_in_solution, problem_id
from schemas.trace import trace_id
from stages.presets import PROBLEM_NAMES, Layout, explodes, look_up, n_turns, top_column, uses_up
from stages.readers import Record

_FINISH = {"stop": "stop", "eos": "stop", "end_turn": "stop", "length": "length", "max_tokens": "length"}


@dataclass(frozen=True)
class Item:
    """What one record says about one problem or trace: values by our names, and everything else."""

    values: dict[str, Any]
    meta: dict[str, Any]
    suffix: str = ""
    """Which of the record's traces this is, for messages."""


def items(record: Record, layout: Layout, traces: bool) -> Iterator[Item]:
    """One item per record, or per element of a list of responses. Raises ValueError for lists of unequal length."""
    _check_turns(record, layout)
    names = [own for own in layout.mapping if traces or own in PROBLEM_NAMES]
    values = {own: look_up(record, layout.mapping[own]) for own in names}
    meta = {key: value for key, value in record.items() if value is not None and not _is_used(key, layout)}
    meta |= {"system": system} if (system := _system(record, layout)) else {}
    if not (traces and explodes(layout.mapping["response"])):
        yield Item(values, meta)
        return
    n_traces = len(_list(values["response"], "response"))
    per_trace = [own for own in names if explodes(layout.mapping[own]) and values[own] is not None]
    aligned = [key for key in layout.aligned if meta.get(key) is not None]
    for key, value in [*((own, values[own]) for own in per_trace), *((key, meta[key]) for key in aligned)]:
        if len(_list(value, key)) != n_traces:
            raise ValueError(f"{key} has {len(value)} values for {n_traces} traces")
    for i in range(n_traces):
        one = values | {own: values[own][i] for own in per_trace}
        yield Item(one, meta | {key: meta[key][i] for key in aligned}, f", trace {i + 1}")


@dataclass
class Import:
    """State of one reading. `problems`: id -> (place, gold, arrival) of its first row; `records`: digest -> place."""

    layout: Layout
    traces: bool
    kind: str
    source: str
    license: str
    default_source: str
    limit: int
    counter_name: str
    count: Callable[[str], int]
    full: bool = False
    problems: dict[str, tuple[str, str | None, int]] = field(default_factory=dict)
    records: dict[int, str] = field(default_factory=dict)
    next_sample: dict[tuple[str, str | None], int] = field(default_factory=dict)

    def rows(self, place: str, record: Record | ValueError) -> Iterator[Row | Exception]:
        """Rows of one record; sets `full` at the first problem beyond the limit."""
        try:
            if isinstance(record, ValueError):
                raise record
            self._refuse_duplicate(place, record)
            all_items = list(items(record, self.layout, self.traces))
        except ValueError as bad:
            yield ValueError(f"{place}: {bad}")
            return
        for item in all_items:
            try:
                row = self._row(place, item)
            except ValueError as bad:
                yield ValueError(f"{place}{item.suffix}: {bad}")
                continue
            if row is None:
                return
            yield row

    def _refuse_duplicate(self, place: str, record: Record) -> None:
        content = as_json(record).encode("utf-8", "surrogatepass")
        first = self.records.setdefault(xxhash.xxh3_128_intdigest(content), place)
        if first != place:
            raise ValueError(f"exact duplicate of {first}")

    def _row(self, place: str, item: Item) -> Row | None:
        """The finished row; None beyond the limit. State changes only for a row that is good."""
        row, meta = self._problem(item), dict(item.meta)
        parsed = self._parsed(item) if self.traces else None
        row["answer"] = self._gold(row, item, meta)
        row["kind"] = self._kind(row, item, meta)
        if row["kind"] == Kind.CODE and self.layout.mapping.get("answer") == "reward_model.ground_truth":
            row["tests"], row["answer"] = row["tests"] or row["answer"], None  # verl keeps tests in the gold's place
        row["problem_id"] = problem_id(row["kind"], row["problem"], row["choices"])
        if self.limit and len(self.problems) == self.limit and row["problem_id"] not in self.problems:
            self.full = True
            return None
        unseen = place, row["answer"], len(self.problems)
        first_place, gold, row["arrival"] = self.problems.get(row["problem_id"], unseen)
        if parsed is None and row["problem_id"] in self.problems:
            raise ValueError(_same_problem(first_place, gold, row["answer"]))
        if row["answer"] != gold:
            meta["answer_in_row"], row["answer"] = row["answer"], gold
        if parsed is not None:
            row |= self._trace(row, item, parsed)
            meta |= {"markup": parsed.markup, "flags": [str(flag) for flag in parsed.flags]}
        row["meta"] = as_json(meta)
        _check_unicode(row)
        self._remember(row, place)
        return row

    def _problem(self, item: Item) -> Row:
        value = item.values.get
        return {
            "problem": _text(value("problem"), "problem"),
            "answer": None,
            "tests": _plain(value("tests")),
            "choices": _choices(value("choices")),
            "source": self.source or _plain(value("source")) or self.default_source,
            "source_id": _plain(value("source_id")),
            "license": self.license or _plain(value("license")) or "unknown",
        }

    def _gold(self, row: Row, item: Item, meta: dict[str, Any]) -> str | None:
        """The gold as the source gives it; dug out of a worked solution where it stands only there, noted in `meta`."""
        raw, solution = item.values.get("answer"), _plain(item.values.get("solution"))
        if solution and self.layout.mapping.get("response") != self.layout.mapping["solution"]:
            meta["solution"] = solution
        if row["choices"] and isinstance(raw, int) and 0 <= raw < len(row["choices"]):
            meta["answer_from"] = f"index {raw} of the options"
            return chr(ord("A") + raw)
        answer = _plain(raw)
        if answer and answer.lower() in self.layout.no_answer:
            meta["answer_in_source"] = answer
            return None
        worked = answer if answer and "####" in answer else None if answer else solution
        if not worked or row["tests"] or row["choices"] or self.kind not in ("", Kind.MATH):
            return answer
        found = gold_in_solution(worked)
        if found is None:
            return answer
        meta["answer_from"] = f"{'answer' if answer else 'solution'}, {found[1]}"
        meta |= {"solution": answer} if answer and not solution else {}
        return found[0]

    def _kind(self, row: Row, item: Item, meta: dict[str, Any]) -> str:
        said = str(item.values.get("kind") or "")
        if self.kind or said.lower() in set(Kind):
            return self.kind or said.lower()
        meta |= {"kind_in_source": said} if said else {}
        return str(detect_kind(row["answer"], row["tests"], row["choices"]))

    def _parsed(self, item: Item) -> ParsedCompletion:
        value = item.values.get
        reasoning = _text(value("reasoning"), "reasoning", may_be_empty=True) if value("reasoning") else None
        response = _text(value("response"), "response", may_be_empty=bool(reasoning))
        return parse_completion(response, _finish(value("finish_reason")), reasoning)

    def _trace(self, row: Row, item: Item, parsed: ParsedCompletion) -> Row:
        model = _plain(item.values.get("model"))
        given = _index(item.values.get("sample_index"))
        sample_index = self.next_sample.get((row["problem_id"], model), 0) if given is None else given
        identity = row["problem_id"], None, "import", model, sample_index, parsed.reasoning, parsed.response
        n_reasoning_tokens = self.count(parsed.reasoning)
        return {
            "trace_id": trace_id(*identity),
            "parent_id": None,
            "method": "import",
            "lineage": ["import"],
            "model": model,
            "model_revision": None,
            "prompt_digest": None,
            "sampling": None,
            "sample_index": sample_index,
            "seed": None,
            "reasoning": parsed.reasoning,
            "response": parsed.response,
            "finish_reason": "length" if parsed.truncated else _finish(item.values.get("finish_reason")),
            "token_counter": self.counter_name,
            "n_reasoning_tokens": n_reasoning_tokens,
            "n_response_tokens": self.count(parsed.response),
            "n_source_reasoning_tokens": n_reasoning_tokens,
        }

    def _remember(self, row: Row, place: str) -> None:
        self.problems.setdefault(row["problem_id"], (place, row["answer"], row["arrival"]))
        if self.traces:
            key = row["problem_id"], row["model"]
            self.next_sample[key] = max(self.next_sample.get(key, 0), row["sample_index"] + 1)


def _check_turns(record: Record, layout: Layout) -> None:
    column = top_column(layout.mapping["problem"])
    turns = n_turns(record, column) if column else 0
    if turns > 1:
        raise ValueError(f"{column} has {turns} user turns; only single-turn rows can be read")


def _is_used(column: str, layout: Layout) -> bool:
    return column in layout.left_out or any(uses_up(place, column) for place in layout.mapping.values())


def _system(record: Record, layout: Layout) -> Any:
    """The system prompt of a row whose problem comes from a message list."""
    column = top_column(layout.mapping["problem"])
    return look_up(record, f"{column}[system]") if layout.mapping["problem"] == f"{column}[user]" else None


def _same_problem(first_place: str, first_gold: str | None, gold: str | None) -> str:
    golds = "" if first_gold == gold else f", but with another gold: {gold!r} here, {first_gold!r} there"
    return f"same problem as {first_place}{golds}"


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"null {name}" if value is None else f"{name} is {type(value).__name__}, not a list")
    return value


def _text(value: Any, name: str, *, may_be_empty: bool = False) -> str:
    if value is None:
        raise ValueError(f"null {name}")
    if not isinstance(value, str):
        raise ValueError(f"{name} is {type(value).__name__}, not text")
    if not (may_be_empty or value.strip()):
        raise ValueError(f"empty {name}")
    return value


def _plain(value: Any) -> str | None:
    """Text as it is, numbers as they are written, lists and structs as JSON; nothing for null and blank text."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    return as_json(value)


def _choices(value: Any) -> list[str]:
    """Options from a list, from label -> text, or from the parallel lists `label` and `text` (ARC)."""
    if isinstance(value, dict):
        value = value["text"] if isinstance(value.get("text"), list) else list(value.values())
    if value is None:
        return []
    if not all(isinstance(option, str) for option in _list(value, "choices")):
        raise ValueError("choices holds something that is not text")
    return value


def _finish(value: Any) -> str:
    return _FINISH.get(str(value).lower(), "unknown")


def _index(value: Any) -> int | None:
    """A sample index as a source writes it: 3, 3.0 or "3"; None where it gives none that fits 31 bits."""
    try:
        index = -1.0 if value is None else float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return int(index) if 0 <= index < 2**31 and index.is_integer() else None


def _check_unicode(row: Row) -> None:
    for name, value in row.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isascii():
                try:
                    text.encode()
                except UnicodeEncodeError as error:
                    raise ValueError(f"{name} is not valid UTF-8 (character {error.start})") from None
