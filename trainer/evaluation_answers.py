"""A model's answers to a set as figures: accuracy, tokens, accuracy within a token budget, each with its interval.

one row per answer ── sums per problem ──> Estimates over the problems (`trainer.evaluation_statistics`)
  problem_id, level, decided, correct, truncated, n_tokens
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from schemas.difficulty import Difficulty
from trainer.evaluation_statistics import Array, Estimate, ratio, share

LEVEL_NAMES = ("level", "difficulty")
MAX_LEVELS = 12
"""A column with more values than this is a score, not a level."""


@dataclass(frozen=True)
class Answers:
    """Answers of one model; `seed` of the methods is that of the bootstrap."""

    frame: pl.DataFrame

    @cached_property
    def problem_ids(self) -> list[str]:
        return sorted(self.frame["problem_id"].unique().to_list())

    @cached_property
    def levels(self) -> list[str]:
        """Levels of the set, easy ones first; none where the set has none, or a score instead."""
        found = self.frame["level"].drop_nulls().unique().to_list()
        return sorted(found, key=_rank) if len(found) <= MAX_LEVELS else []

    def of_problems(self, problem_ids: Collection[str]) -> "Answers":
        return Answers(self.frame.filter(pl.col("problem_id").is_in(list(problem_ids))))

    def of_level(self, level: str) -> "Answers":
        return Answers(self.frame.filter(pl.col("level") == level))

    def accuracy(self, seed: int, budget: int | None = None) -> Estimate:
        """Mean over the problems of the share of decided answers that are correct, and within the budget."""
        correct = pl.col("correct") if budget is None else pl.col("correct") & (pl.col("n_tokens") <= budget)
        hits, n_decided = self._sums(correct & pl.col("decided"), pl.col("decided"))
        return share(hits / n_decided.clip(min=1), (n_decided > 0).astype(float), seed)

    def mean_tokens(self, seed: int, *, correct_only: bool = False) -> Estimate:
        counted = pl.col("correct") if correct_only else pl.col("correct").is_not_null()
        return ratio(*self._sums(pl.col("n_tokens") * counted, counted), seed)

    def tokens_per_correct(self, seed: int) -> Estimate:
        """All tokens over the number of correct answers: what one of them costs."""
        return ratio(*self._sums(pl.col("n_tokens"), pl.col("correct")), seed)

    def share_of(self, column: str) -> float:
        """Share of all answers for which the column is true."""
        return float(self.frame[column].sum() / self.frame.height)

    def spread(self, *, correct_only: bool = False) -> dict[str, float | None]:
        """Median and 90th percentile of the tokens of single answers."""
        lengths = self.frame.filter(pl.col("correct"))["n_tokens"] if correct_only else self.frame["n_tokens"]
        return {"median": lengths.median(), "p90": lengths.quantile(0.9, "nearest")}  # type: ignore[dict-item]

    def _sums(self, *columns: pl.Expr) -> tuple[Array, Array]:
        """Sums of two columns per problem, in the order of `problem_ids`."""
        top, bottom = (column.cast(pl.Float64).sum().alias(name) for column, name in zip(columns, "tb", strict=True))
        sums = self.frame.group_by("problem_id").agg(top, bottom).sort("problem_id")
        return sums["t"].to_numpy(), sums["b"].to_numpy()


def figures(answers: Answers, budgets: tuple[int, ...], seed: int) -> dict[str, Any]:
    """Everything that is reported of one model, or of one level, ready for JSON."""
    tokens = {
        name: (answers.mean_tokens(seed, correct_only=only).as_dict(1) or {}) | answers.spread(correct_only=only)
        for name, only in (("all", False), ("correct", True))
    }
    accuracy = answers.accuracy(seed)
    return {
        "n_problems": len(answers.problem_ids),
        "n_answers": answers.frame.height,
        "accuracy": accuracy.as_dict(),
        "interval": accuracy.method,
        "tokens": tokens,
        "tokens_per_correct": answers.tokens_per_correct(seed).as_dict(1),
        "at_budgets": [{"budget": b, "accuracy": answers.accuracy(seed, b).as_dict()} for b in budgets],
        "truncated_share": round(answers.share_of("truncated"), 4),
        "undecided_share": round(1 - answers.share_of("decided"), 4),
    }


def difference(answers: Answers, other: Answers, seed: int) -> dict[str, Any]:
    """Accuracy and mean tokens less those of another model on the problems that both have answered, paired."""
    common = set(answers.problem_ids) & set(other.problem_ids)
    ours, theirs = answers.of_problems(common), other.of_problems(common)
    tokens, of_other = ours.mean_tokens(seed), theirs.mean_tokens(seed)
    return {
        "n_problems": len(common),
        "accuracy": ours.accuracy(seed).minus(theirs.accuracy(seed)).as_dict(),
        "tokens": tokens.minus(of_other).as_dict(1),
        "tokens_ratio": tokens.over(of_other).as_dict(),
    }


def level_in(meta: str | None) -> str | None:
    """The level that a source gives a problem, as `ingest` keeps it beside the columns that it knows."""
    found = json.loads(meta) if meta else {}
    values = (found.get(name) for name in LEVEL_NAMES)
    return next((str(value) for value in values if _is_level(value)), None)


def _is_level(value: Any) -> bool:
    return (isinstance(value, str) and bool(value.strip())) or (isinstance(value, int) and not isinstance(value, bool))


def _rank(level: str) -> tuple[int, int, str]:
    """Numbers first, by their size, then our own levels, then words."""
    if level.isdecimal():
        return 0, int(level), level
    return (1, list(Difficulty).index(Difficulty(level)), level) if level in set(Difficulty) else (2, 0, level)
