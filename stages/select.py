"""Selection: named rules reject rows, then the best of each problem stay. Measure first, decide last, give the reason.

    rows of a problem -> rules in order -> those that pass, in `order_by` -> the first `keep` -> `rejected_by`

Nothing is dropped: a rejected row carries the name of the first rule that it failed, or `keep_name` if it passed all
but others came before it. A row that an earlier `select` rejected keeps that reason and is not considered again.

    rules:
      - correct: {column: outcome, is: correct}
      - not_trivial: {column: pass_rate, at_most: 0.95, null: keep}
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_serializer, model_validator

from pipeline.stage import Group, Row
from schemas.columns import REJECTED_BY

Scalar = StrictBool | int | float | str
OPERATIONS = {"is", "is_not", "in", "at_most", "at_least", "is_null"}


class Rule(BaseModel):
    """What a row must satisfy to stay: every operation that is given. In a recipe: `name: {column: ..., is: ...}`."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    name: str = Field(min_length=1)
    """What rejected rows carry."""
    column: str
    """The column to look at."""
    equals: Scalar | None = Field(default=None, alias="is")
    """The only value that stays."""
    is_not: Scalar | None = None
    """The only value that goes."""
    one_of: tuple[Scalar, ...] | None = Field(default=None, alias="in")
    """The values that stay."""
    at_most: float | None = None
    """Highest number that stays."""
    at_least: float | None = None
    """Lowest number that stays."""
    is_null: bool | None = None
    """True: only rows without a value stay; false: only those with one."""
    null: Literal["reject", "keep"] = "reject"
    """What happens to a row without a value, for every operation but `is_null`."""

    @model_validator(mode="before")
    @classmethod
    def _from_recipe(cls, line: Any) -> Any:
        """`{name: {...}}` as it stands in a recipe. YAML reads the key `null` as None."""
        if not isinstance(line, dict) or len(line) != 1:
            return line
        ((name, body),) = line.items()
        if not isinstance(body, dict):
            raise ValueError(f"rule {name!r} needs a mapping such as {{column: outcome, is: correct}}")
        return {"name": name} | {"null" if key is None else key: value for key, value in body.items()}

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        given = OPERATIONS & self._body().keys()
        if not given:
            raise ValueError(f"rule {self.name!r} asks nothing; give it one of {', '.join(sorted(OPERATIONS))}")
        if "is_null" in given and (len(given) > 1 or self.null != "reject"):
            raise ValueError(f"rule {self.name!r}: `is_null` stands alone")
        return self

    @model_serializer
    def _to_recipe(self) -> dict[str, Any]:
        return {self.name: self._body()}

    def _body(self) -> dict[str, Any]:
        values = {(info.alias or name): getattr(self, name) for name, info in type(self).model_fields.items()}
        values["null"] = None if self.null == "reject" else self.null
        return {name: value for name, value in values.items() if name != "name" and value is not None}

    def passes(self, value: Any) -> bool:
        if self.is_null is not None:
            return (value is None) == self.is_null
        if value is None:
            return self.null == "keep"
        return (
            (self.equals is None or value == self.equals)
            and (self.is_not is None or value != self.is_not)
            and (self.one_of is None or value in self.one_of)
            and (self.at_most is None or value <= self.at_most)
            and (self.at_least is None or value >= self.at_least)
        )


class Select(Group):
    version = 1
    reads_if_present = (REJECTED_BY.name,)
    writes = (REJECTED_BY,)

    rules: tuple[Rule, ...] = ()
    """Asked in this order; the first one that fails names the reason."""
    keep: int = Field(default=0, ge=0)
    """Rows kept per problem, after the rules; 0 keeps all."""
    order_by: tuple[str, ...] = ()
    """Columns that order a problem's rows: ascending, or descending as `-column`; nulls last, ties as they come."""
    keep_name: str = Field(default="shortest", min_length=1)
    """What rows carry that passed every rule and stand behind the `keep` best."""

    @field_validator("rules")
    @classmethod
    def _names_are_unique(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules are called {twice[0]!r}; a reason must name one rule")
        return rules

    @model_validator(mode="after")
    def _keep_needs_an_order(self) -> Self:
        if self.keep and not self.order_by:
            raise ValueError("`keep` needs `order_by`: the columns that say which rows are best")
        if self.keep and self.keep_name in {rule.name for rule in self.rules}:
            raise ValueError(f"`keep_name` {self.keep_name!r} is also a rule; give one of them another name")
        return self

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        order = (name.removeprefix("-") for name in self.order_by)
        return tuple(dict.fromkeys([*(rule.column for rule in self.rules), *order]))

    def run(self, rows: list[Row]) -> list[Row]:
        reasons = [row.get(REJECTED_BY.name) or self._failed_rule(row) for row in rows]
        passed = [place for place, reason in enumerate(reasons) if reason is None]
        if self.keep:
            for place in self._ordered(rows, passed)[self.keep :]:
                reasons[place] = self.keep_name
        return [{REJECTED_BY.name: reason} for reason in reasons]

    def _failed_rule(self, row: Row) -> str | None:
        return next((rule.name for rule in self.rules if not rule.passes(row[rule.column])), None)

    def _ordered(self, rows: list[Row], places: list[int]) -> list[int]:
        for key in reversed(self.order_by):  # sorting is stable: the first column comes last and decides
            values = {place: rows[place][key.removeprefix("-")] for place in places}
            present = [place for place in places if values[place] is not None]
            present.sort(key=values.__getitem__, reverse=key.startswith("-"))
            places = [*present, *(place for place in places if values[place] is None)]
        return places
