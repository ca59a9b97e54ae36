"""What a run's frames show is what a plain interpreter of the recipe, with all rows in a list, works out."""

import tempfile
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bind import bind
from pipeline.errors import RecipeError
from pipeline.execution import ExecutionConfig
from pipeline.recipe import Recipe
from pipeline.stage import Fan, Group, Map, Row, Source, Stage
from tests.pipeline_stages import Deal, Mix, Rank, Split, SplitBeside, Sum, problem_id, recipe, run_inline

PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 12)), max_size=12).map(tuple)
REFUSED = st.sampled_from([-1, -1, 0, 3])


@st.composite
def recipes(draw) -> Recipe:
    """Two sources and up to five nodes, each below one or two nodes above it, reading columns that are there."""
    nodes: dict[str, Any] = {name: Deal(pairs=draw(PAIRS)) for name in ("first", "second")}
    columns = {name: {"x"} for name in nodes}
    for number in range(draw(st.integers(1, 5))):
        parents = tuple(draw(st.lists(st.sampled_from(list(nodes)), min_size=1, max_size=2, unique=True)))
        there = set.intersection(*(columns[parent] for parent in parents))
        stage = draw(stages(sorted(there)))
        own = {column.name for column in stage.writes}
        nodes[f"node{number}"] = (stage, parents)
        columns[f"node{number}"] = own if isinstance(stage, Fan) else there | own
    return recipe(**nodes)


def stages(there: list[str]) -> st.SearchStrategy[Stage]:
    column, target = st.sampled_from(there), st.sampled_from(["y", "z"])
    return st.one_of(
        st.builds(Mix, column=column, to=st.sampled_from(["x", "y", "z"]), refused=REFUSED),
        st.builds(Split, to=target, refused=REFUSED),
        st.builds(SplitBeside, to=target, refused=REFUSED),
        st.builds(Sum, column=column, refused=REFUSED, reads_more=st.booleans()),
        st.just(Rank()),
    )


def interpret(a_recipe: Recipe) -> dict[str, list[Row]]:
    """Rows of every node in `problem_id` order, bad ones left out; of several parents, the columns that all have."""
    tables: dict[str, list[Row]] = {}
    columns = {name: set(node.columns) for name, node in bind(a_recipe, ExecutionConfig()).items()}
    for name, node in a_recipe.nodes.items():
        parents = a_recipe.parents(name)
        common = set.intersection(*(columns[parent] for parent in parents)) if parents else set()
        above = [{column: row.get(column) for column in common} for parent in parents for row in tables[parent]]
        tables[name] = list(interpret_node(node.stage, sorted(above, key=lambda row: row["problem_id"])))
    return tables


def interpret_node(stage: Any, rows: list[Row]) -> Iterator[Row]:
    if isinstance(stage, Source):
        made = [row for row in stage.run() if not isinstance(row, Exception)]
        yield from sorted(made, key=lambda row: row["problem_id"])
    elif isinstance(stage, Map):
        yield from (row | new[0] for row in rows if (new := outcome(lambda row=row: [stage.run(row)])))
    elif isinstance(stage, Fan):
        yield from (new for row in rows for new in interpret_fan(stage, row))
    elif isinstance(stage, Group):
        for _, group in groupby(rows, key=lambda row: row["problem_id"]):
            members = list(group)
            new = outcome(lambda members=members: stage.run(members))
            yield from (row | columns for row, columns in zip(members, new, strict=False))
    else:
        yield from (row | {"z": place} for place, row in enumerate(rows))


def interpret_fan(stage: Any, row: Row) -> Iterator[Row]:
    kept = {name: row[name] for name in ("problem_id", "base")}
    if stage.beside:
        yield kept | {column.name: row.get(column.name) for column in stage.writes}
    yield from (kept | new for new in outcome(lambda: stage.run(row)))


def outcome(run: Any) -> list[Row]:
    try:
        return run()
    except ValueError:
        return []


def assert_same(finished, a_recipe, tables):
    for name in a_recipe.nodes:
        frame = finished.frame(name)
        expected = [{column: row.get(column) for column in frame.columns} for row in tables[name]]
        assert frame.to_dicts() == expected, name


def check_against_interpreter(a_recipe, n_partitions):
    with tempfile.TemporaryDirectory() as store:
        assert_same(run_inline(a_recipe, store, n_partitions), a_recipe, interpret(a_recipe))


@settings(max_examples=6)
@given(recipes(), st.sampled_from([1, 3]))
def test_a_run_gives_what_a_plain_interpreter_gives(a_recipe, n_partitions):
    check_against_interpreter(a_recipe, n_partitions)


@pytest.mark.slow
@settings(max_examples=100)
@given(recipes(), st.sampled_from([1, 3]))
def test_many_runs_give_what_a_plain_interpreter_gives(a_recipe, n_partitions):
    check_against_interpreter(a_recipe, n_partitions)


@pytest.mark.slow
@settings(max_examples=15)
@given(st.lists(recipes(), min_size=2, max_size=3))
def test_recipes_that_share_a_store_do_not_disturb_each_other(all_recipes):
    with tempfile.TemporaryDirectory() as store:
        finished = [run_inline(a_recipe, store) for a_recipe in all_recipes]
        for one, a_recipe in zip(finished, all_recipes, strict=True):
            assert_same(one, a_recipe, interpret(a_recipe))


PASSED = {"base": 0, "x": 5, "y": None}


@pytest.fixture
def beside(tmp_path):
    a_recipe = recipe(deal=Deal(pairs=((0, 5), (1, 3))), split=SplitBeside(), mix=Mix(column="x", to="z", refused=3))
    return run_inline(a_recipe, tmp_path)


def test_a_row_that_is_let_pass_keeps_its_values_and_has_none_of_the_new_columns(beside):
    rows = beside.frame("split", ["base", "x", "y"]).sort("base", "y", nulls_last=False).to_dicts()
    assert rows == [PASSED, PASSED | {"x": 10, "y": 0}, PASSED | {"x": 11, "y": 1}, {"base": 1, "x": 3, "y": None}]


def test_a_bad_row_is_counted_with_its_reason_and_invisible_below(beside):
    assert beside.node("mix")["n_failed"] == 1
    assert beside.bad_rows("mix").to_dicts() == [{"reason": "ValueError: refuses 3", "n": 1}]
    assert 3 not in beside.frame("mix")["x"].to_list()


def test_a_bad_problem_is_one_bad_unit_however_many_rows_it_has(tmp_path):
    finished = run_inline(recipe(deal=Deal(pairs=((0, 2), (0, 3), (1, 1))), sum=Sum(refused=0)), tmp_path)
    assert finished.node("sum")["n_failed"] == 1
    assert finished.bad_rows("sum")["n"].to_list() == [1]
    assert finished.frame("sum", ["base", "z"]).to_dicts() == [{"base": 1, "z": 1}]


def test_a_column_or_node_that_is_not_there_is_named_with_those_that_are(beside):
    with pytest.raises(RecipeError, match=r"node `mix` has no column \['w'\]; there are: problem_id"):
        beside.frame("mix", ["w"])
    with pytest.raises(RecipeError, match="has no node `mux`; there are: deal, split, mix"):
        beside.frame("mux")


def test_frames_come_in_problem_order_whatever_columns_are_asked_for(tmp_path):
    finished = run_inline(recipe(deal=Deal(pairs=tuple((base, base) for base in range(20)))), tmp_path, 7)
    assert finished.frame("deal", ["base"])["base"].to_list() == sorted(range(20), key=problem_id)
    assert isinstance(finished.frame("deal"), pl.DataFrame)
