"""Finds what is wrong with a recipe before anything runs: names, order, columns, engines, files.

Works on what could be read: a node that could not be parsed is None, and what stands below it is not blamed for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.engines.engine import EngineSpec
from pipeline.execution import ExecutionConfig
from pipeline.stage import Artifact, Fan, Source, Stage
from schemas.columns import Column, Level

Columns = dict[str, Column]


@dataclass(frozen=True)
class Mistake:
    section: str
    """`nodes` or `engines`."""
    name: str
    field: str
    text: str


def check(
    stages: Mapping[str, Stage | None],
    parents: Mapping[str, tuple[str, ...]],
    engines: Mapping[str, EngineSpec | None],
    config: ExecutionConfig,
) -> list[Mistake]:
    """Every mistake that shows between the parts of a recipe, in the recipe's order."""
    mistakes = [*_engine_mistakes(stages, engines, config)]
    available: dict[str, Columns | None] = {}
    for name, stage in stages.items():
        found = list(_order_mistakes(name, stage, parents[name], stages, available))
        if stage is None or found:
            mistakes += found
            available[name] = None
            continue
        columns = input_columns(available[parent] for parent in parents[name])
        mistakes += _column_mistakes(name, stage, columns, engines)
        mistakes += [Mistake("nodes", name, "", text) for text in stage.problems()]
        available[name] = None if columns is None else output_columns(stage, columns)
    return mistakes


def input_columns(parents: Iterator[Columns | None]) -> Columns | None:
    """The columns that all parents have; None if those of one are unknown."""
    known = list(parents)
    if any(columns is None for columns in known):
        return None
    first, *others = [columns for columns in known if columns is not None] or [{}]
    return {name: column for name, column in first.items() if all(name in columns for columns in others)}


def output_columns(stage: Stage, columns: Columns) -> Columns:
    """New rows inherit what describes the problem, never what describes another text."""
    if isinstance(stage, Fan):
        columns = {name: column for name, column in columns.items() if column.level is Level.PROBLEM}
    return columns | {column.name: column for column in stage.writes}


def bound_reads(stage: Stage, columns: Columns) -> tuple[str, ...]:
    present = tuple(name for name in stage.reads_if_present if name in columns and name not in stage.reads)
    return stage.reads + present


def _order_mistakes(
    name: str,
    stage: Stage | None,
    parents: tuple[str, ...],
    stages: Mapping[str, Stage | None],
    above: Mapping[str, object],
) -> Iterator[Mistake]:
    for parent in parents:
        if parent not in stages:
            yield Mistake(
                "nodes", name, "from", f"`from` names `{parent}`, which is no node; there are: {', '.join(stages)}"
            )
        elif parent not in above:
            yield Mistake("nodes", name, "from", f"`from` names `{parent}`, which stands below; move it above `{name}`")
        elif isinstance(stages[parent], Artifact):
            yield Mistake("nodes", name, "from", f"`{parent}` writes files and has no rows; name the node above it")
    if isinstance(stage, Source) and parents:
        yield Mistake("nodes", name, "from", "a source reads no other node; remove `from`")
    if stage is not None and not isinstance(stage, Source) and not parents:
        yield Mistake("nodes", name, "from", "has no input; put a source such as `ingest` above it")


def _column_mistakes(
    name: str, stage: Stage, columns: Columns | None, engines: Mapping[str, EngineSpec | None]
) -> Iterator[Mistake]:
    if columns is not None:
        for column in stage.reads:
            if column not in columns and not isinstance(stage, Source):
                yield Mistake("nodes", name, "", _missing_column(column, columns))
    engine = getattr(stage, "engine", None)
    if engine is not None and engine not in engines:
        known = f"there are: {', '.join(engines)}" if engines else "the recipe has no `engines` section"
        yield Mistake("nodes", name, "engine", f"there is no engine `{engine}`; {known}")


def _missing_column(column: str, columns: Columns) -> str:
    return (
        f"reads the column `{column}`, which no node above writes (or which a new candidate lost); "
        f"there are: {', '.join(sorted(columns))}"
    )


def _engine_mistakes(
    stages: Mapping[str, Stage | None], engines: Mapping[str, EngineSpec | None], config: ExecutionConfig
) -> Iterator[Mistake]:
    from pipeline.engines.build import check as check_engine

    used = {getattr(stage, "engine", None) for stage in stages.values()}
    for name, spec in engines.items():
        if spec is None:
            continue
        if name not in used:
            yield Mistake("engines", name, "", "is used by no node; remove it or name it in a node's `engine`")
        yield from (Mistake("engines", name, "", text) for text in check_engine(spec, config.engine(name)))


def default_parents(names: list[str], name: str, stage: Stage | None) -> tuple[str, ...]:
    """The node above; nothing for a source."""
    position = names.index(name)
    return () if isinstance(stage, Source) else tuple(names[max(position - 1, 0) : position])
