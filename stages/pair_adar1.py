"""Preference pairs on two levels after AdaR1: which style a problem deserves, and brevity within that style.

    samples in a long and a short style ── accuracy, mean length ──> gain ── above 0? ──> preferred style
      style pairs:    correct traces of it against the others, wrong ones first ────────> adar1_style
      brevity pairs:  its shortest correct trace against its longest ones ──────────────> adar1_brevity

Source: AdaR1 (arXiv 2504.21659; code StarDewXXX/AdaR1): twelve samples each of a long and a short model,

    dA = accuracy(long) - accuracy(short) - 1/(2K)      dL = (length(long) - length(short)) / length(short)
    gain = dA / dL if dA > 0 else dA dL / 10            problems where nothing is correct stay out

Changed: where the short style is the longer one, the released formula changes its sign and rejects what is better and
shorter, and equal lengths divide by zero. Here `long` in the formula is the style that *is* longer, by a token at
least. A trace is never paired with itself, nor within a style with one of nearly its length (`min_ratio`). Style pairs
are drawn in a seeded order, as there.

`long` and `short` name the two styles: models, or methods such as `teacher` and `dap` on one model's traces.
"""

from itertools import product
from random import Random
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from pipeline.seeds import derive_seed
from pipeline.stage import Group, Row
from schemas.columns import ADAR1_COLUMNS, LONG_SHORT_GAIN, PAIR_COLUMNS, PREFERRED_STYLE, REJECTED_BY, Column
from schemas.verdict import Outcome
from stages.preferences import (
    PAIR_READS,
    PAIR_READS_IF_PRESENT,
    WRONG,
    Contenders,
    check_counters,
    contenders,
    n_tokens,
    whole_pair,
    written,
)

_LONG, _SHORT = "long", "short"


class Style(NamedTuple):
    """The traces of one style: all that were judged count, complete ones may stand in a pair."""

    name: str
    accuracy: float
    mean_tokens: float
    n_samples: int
    field: Contenders


class PairAdar1(Group):
    version: ClassVar[int] = 1
    reads_if_present: ClassVar[tuple[str, ...]] = PAIR_READS_IF_PRESENT
    writes: ClassVar[tuple[Column, ...]] = (*PAIR_COLUMNS, *ADAR1_COLUMNS)

    long: tuple[str, ...] = Field(min_length=1)
    """Models or methods of the long style."""
    short: tuple[str, ...] = Field(min_length=1)
    """Models or methods of the short style."""
    style_column: Literal["model", "method"] = "model"
    """Column that tells the styles apart."""
    n_style_pairs: int = Field(default=4, ge=0)
    """Pairs between the styles, per problem."""
    n_brevity_pairs: int = Field(default=2, ge=0)
    """Pairs within the preferred style, per problem."""
    min_ratio: float = Field(default=1.2, ge=1)
    """Within a style, the longer trace must have at least this many times the tokens of the other."""
    seed: int = 0
    """Seed of the order of the style pairs; the recipe's, unless set here."""

    @model_validator(mode="after")
    def _styles_differ(self) -> Self:
        if both := sorted(set(self.long) & set(self.short)):
            raise ValueError(f"{both[0]!r} stands in `long` and in `short`; a {self.style_column} has one style")
        return self

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*PAIR_READS, self.style_column)

    def run(self, rows: list[Row]) -> list[Row]:
        check_counters(rows)
        long, short = self._style(_LONG, self.long, rows), self._style(_SHORT, self.short, rows)
        if long is None or short is None:
            return self._found(rows, None, None, (), f"no {_LONG if long is None else _SHORT} trace")
        if not long.accuracy and not short.accuracy:
            return self._found(rows, None, None, (), "no correct trace")
        gain, preferred, other = preference(long, short)
        made = [*self._style_pairs(rows[0]["problem_id"], preferred, other), *self._brevity_pairs(preferred)]
        return self._found(rows, gain, preferred.name, made, "no two traces that differ enough")

    def _style(self, name: str, values: tuple[str, ...], rows: list[Row]) -> Style | None:
        """None if no sample of the style was judged."""
        own = [row for row in rows if row[self.style_column] in values and not row.get(REJECTED_BY.name)]
        judged = [row for row in own if row["outcome"] in (Outcome.CORRECT, *WRONG)]
        if not judged:
            return None
        n_correct = sum(row["outcome"] == Outcome.CORRECT for row in judged)
        mean_tokens = sum(map(n_tokens, judged)) / len(judged)
        return Style(name, n_correct / len(judged), mean_tokens, len(judged), contenders(own))

    def _style_pairs(self, problem_id: str, preferred: Style, other: Style) -> list[tuple[str, Row]]:
        losers = other.field.wrong or other.field.correct
        couples = list(product(preferred.field.correct, losers))
        Random(derive_seed(self.seed, "adar1", problem_id)).shuffle(couples)
        return [(won["trace_id"], whole_pair("adar1_style", won, lost)) for won, lost in couples[: self.n_style_pairs]]

    def _brevity_pairs(self, preferred: Style) -> list[tuple[str, Row]]:
        if not preferred.field.correct:
            return []
        shortest, *others = preferred.field.correct
        longer = [row for row in reversed(others) if n_tokens(row) >= self.min_ratio * n_tokens(shortest)]
        return [
            (shortest["trace_id"], whole_pair("adar1_brevity", shortest, row)) for row in longer[: self.n_brevity_pairs]
        ]

    def _found(
        self,
        rows: list[Row],
        gain: float | None,
        preferred: str | None,
        made: list[tuple[str, Row]] | tuple[()],
        reason: str,
    ) -> list[Row]:
        about_problem = {LONG_SHORT_GAIN.name: gain, PREFERRED_STYLE.name: preferred}
        return [line | about_problem for line in written(rows, made, f"pair_adar1: {reason}")]


def preference(long: Style, short: Style) -> tuple[float, Style, Style]:
    """(gain of the style that is longer, the preferred style, the other one). At least one accuracy is above 0."""
    shorter, longer = sorted((short, long), key=lambda style: style.mean_tokens)  # stable: `short` first if equal
    d_accuracy = longer.accuracy - shorter.accuracy - 1 / (longer.n_samples + shorter.n_samples)
    apart = max(longer.mean_tokens - shorter.mean_tokens, 1)  # equal lengths would divide by zero
    d_length = apart / max(shorter.mean_tokens, 1)
    gain = d_accuracy / d_length if d_accuracy > 0 else d_accuracy * d_length / 10
    return (gain, longer, shorter) if gain > 0 else (gain, shorter, longer)
