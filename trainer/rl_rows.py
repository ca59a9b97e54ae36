"""The problems of an RL run: released `rl` rows, or a JSON-lines file of problems, checked before a model is loaded.

    folder | Parquet ──> read_data(place, "rl") ─┐
    .jsonl: problem, answer, kind, ... ──────────┴─> rows of the wanted levels, each once ──fits──> RlRows, Facts

Nothing is dropped in silence: copies of a problem and prompts that are too long are counted and shown; a row that no
verifier can judge refuses the set, since its rollouts could only be called wrong.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from schemas.problem import detect_kind, problem_id
from trainer.data import read_data
from trainer.errors import TrainError
from trainer.group_view import Floats
from trainer.outcome import verifier_of
from trainer.rollouts.prompts import Renderer
from trainer.rollouts.rollout import RolloutPolicy
from trainer.samplers import Facts

Row = dict[str, Any]
COLUMNS = (
    "problem_id", "prompt", "problem", "answer", "kind", "tests", "choices", "meta", "pass_rate", "pass_n", "level",
    "difficulty", "ref_len", "ref_len_p50", "mode",
)  # fmt: skip
COPY, TOO_LONG = "a copy of another row's problem", "prompt too long for `max_length` and a completion"
"""Reasons that leave a row out."""
NAMED_LEVELS = {"easy": 1.0, "medium": 2.0, "hard": 3.0}


@dataclass(frozen=True)
class RlRows:
    rows: tuple[Row, ...]
    n_read: int
    """Rows of the wanted levels in the file, all reasons for leaving one out included."""
    n_copies: int
    """Rows of a problem that stood before."""
    digest: str
    recipe: str = ""
    n_too_long: int = 0
    """Rows whose prompt leaves no room for a completion within `max_length`."""

    @property
    def facts(self) -> Facts:
        lengths = [row.get("ref_len_p50") or row.get("ref_len") for row in self.rows]
        return Facts(
            pass_rates=_floats(row.get("pass_rate") for row in self.rows),
            levels=_floats(level_of(row) for row in self.rows),
            reference_n_tokens=_floats(lengths),
        )

    @property
    def pass_ns(self) -> Floats:
        return _floats(row.get("pass_n") for row in self.rows)


def read_rows(place: str | Path, levels: Iterable[str] = ()) -> RlRows:
    """The rows at `place`, of these levels where any are named. Raises TrainError."""
    path = Path(place)
    if path.suffix == ".jsonl":
        rows, digest, recipe = _problems_of(path), _digest(path), ""
    else:
        data = read_data(path, "rl")
        rows, digest, recipe = data.rows(COLUMNS).to_list(), data.digest, data.recipe
    wanted = set(levels)
    kept = [row for row in map(_completed, rows) if not wanted or str(row.get("level")) in wanted]
    once = {row["problem_id"]: row for row in reversed(kept)}
    unjudged = [row for row in once.values() if verifier_of(row) is None]
    if not once:
        told = f"no row of level {', '.join(sorted(wanted))}" if wanted else "0 rows"
        raise TrainError(f"data: {place} has {told}; there is nothing to train on")
    if unjudged:
        raise TrainError(
            f"data: {len(unjudged)} of {len(once)} problems have neither a gold answer nor tests, first "
            f"{unjudged[-1]['problem_id']}; no reward can be given for them, drop them"
        )
    return RlRows(tuple(reversed(once.values())), len(kept), len(kept) - len(once), digest, recipe)


def that_fit(
    rows: RlRows, renderer: Renderer, rollout: RolloutPolicy, max_prompt_tokens: int, max_share: float
) -> tuple[RlRows, list[int]]:
    """The rows whose prompt, with what the policy adds, fits, and its tokens. Raises TrainError where too few fit."""
    budgets = np.full(8, 99_999.0)
    lengths = [max(renderer.n_tokens(row, one) for one in set(rollout.assign(row, budgets))) for row in rows.rows]
    kept = [(row, n_tokens) for row, n_tokens in zip(rows.rows, lengths, strict=True) if n_tokens <= max_prompt_tokens]
    n_long, n_rows = len(lengths) - len(kept), len(lengths)
    if n_long > max_share * n_rows or not kept:
        raise TrainError(
            f"max_length: {n_long} of {n_rows} prompts have more than {max_prompt_tokens} tokens, which `max_length` "
            "less `max_completion_tokens` leaves them; raise `max_length`, or `max_share_cut` to leave them out"
        )
    return replace(rows, rows=tuple(row for row, _ in kept), n_too_long=n_long), [n_tokens for _, n_tokens in kept]


def level_of(row: Row) -> float | None:
    """A number that grows with difficulty: what was graded, else the level, or the place of easy, medium, hard."""
    if row.get("difficulty") is not None:
        return float(row["difficulty"])
    level = str(row.get("level") or "")
    if level in NAMED_LEVELS:
        return NAMED_LEVELS[level]
    return float(level) if level.replace(".", "", 1).isdecimal() else None


def _completed(row: Row) -> Row:
    """Kind, id and prompt where the file does not give them."""
    choices = row.get("choices") or []
    kind = row.get("kind") or detect_kind(row.get("answer"), row.get("tests"), choices).value
    prompt = row.get("prompt") or [{"role": "user", "content": row["problem"]}]
    name = row.get("problem_id") or problem_id(kind, row["problem"], choices)
    return row | {"kind": kind, "prompt": prompt, "problem_id": name, "problem": row.get("problem") or ""}


def _problems_of(path: Path) -> list[Row]:
    return list(_lines(path))


def _lines(path: Path) -> Iterator[Row]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"data: {path} cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise TrainError(f"data: {path}:{number}: not JSON ({error})") from None
        if not isinstance(row, dict) or not isinstance(row.get("problem"), str):
            raise TrainError(f"data: {path}:{number}: a row needs `problem`, a text")
        yield row


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _floats(values: Iterable[Any]) -> Floats:
    return np.array([np.nan if value is None else float(value) for value in values], dtype=float)
