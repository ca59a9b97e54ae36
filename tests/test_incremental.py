"""Never pay twice: what a second run computes, and which calls it makes, after one thing has changed."""

import shutil
from pathlib import Path

import pytest

from pipeline.engines.engine import EngineConfig, EngineSpec
from pipeline.execution import ExecutionConfig
from pipeline.recipe import Node, Recipe
from pipeline.run import Run, run
from stages.generate import Generate
from stages.grade_pass_rate import GradePassRate
from stages.ingest import Ingest
from stages.select import Select
from stages.verify import Verify
from tests.pipeline_stages import (
    Deal,
    Lines,
    Mix,
    Rank,
    Split,
    SplitBeside,
    Sum,
    TraceLines,
    calls_made,
    computed,
    files_of,
    recipe,
    run_inline,
)

N_PROBLEMS, N_SAMPLES = 40, 4
VERDICT_READS = ["answer", "kind", "response", "finish_reason"]
CORRECT = {"correct": {"column": "outcome", "is": "correct"}}


def curate(problems: str, select_rules=(CORRECT,), **generate) -> Recipe:
    nodes = {
        "problems": Ingest(path=problems, source="sums"),
        "traces": Generate(engine="teacher", **{"samples": N_SAMPLES, **generate}),
        "verified": Verify(),
        "graded": GradePassRate(),
        "selected": Select.model_validate({"rules": list(select_rules)}),
    }
    engines = {"teacher": EngineSpec(model="scripted:tests.counted_scripts:warm")}
    return Recipe(name="sums", engines=engines, nodes={name: Node(stage=stage) for name, stage in nodes.items()})


@pytest.fixture(scope="module")
def finished_store(tmp_path_factory) -> Path:
    """A store with one finished run of 40 problems x 4 samples, for tests to copy."""
    folder = tmp_path_factory.mktemp("incremental")
    lines = [f'{{"problem": "What is {i} + {2 * i}?", "answer": "{3 * i}"}}\n' for i in range(N_PROBLEMS + 10)]
    (folder / "problems.jsonl").write_text("".join(lines[:N_PROBLEMS]))
    (folder / "more.jsonl").write_text("".join(lines))
    run_inline(curate(str(folder / "problems.jsonl")), folder / "store")
    return folder


@pytest.fixture
def place(finished_store, tmp_path) -> Path:
    shutil.copytree(finished_store, tmp_path / "copy")
    return tmp_path / "copy"


def again(place: Path, problems: str = "problems.jsonl", **changes) -> Run:
    return run_inline(curate(str(place / problems), **changes), place / "store")


def test_the_same_recipe_again_computes_nothing_and_opens_no_executor(place, monkeypatch):
    monkeypatch.setattr("pipeline.run.InlineExecutor", None)  # opening it would raise
    finished = again(place)
    assert set(computed(finished).values()) == {0}
    assert calls_made(finished) == 0


def test_ten_more_problems_are_ten_more_units_at_every_node_and_only_their_calls(place):
    before = again(place).frame("traces", VERDICT_READS)
    finished = again(place, "more.jsonl")
    new = finished.frame("traces", VERDICT_READS).join(before, on=VERDICT_READS, how="anti", nulls_equal=True)
    assert calls_made(finished) == 10 * N_SAMPLES
    assert [computed(finished)[name] for name in ("problems", "traces", "verified")] == [10, 10, new.height]
    assert max(computed(finished)[name] for name in ("graded", "selected")) <= 10


@pytest.mark.parametrize("stage", [Mix(), Split(), SplitBeside(), Sum()], ids=lambda stage: type(stage).__name__)
def test_ten_more_rows_are_ten_more_units_for_every_shape(tmp_path, stage):
    rows = tuple((base, 7 * base) for base in range(110))
    for pairs, expected in ((rows[:100], 100), (rows, 10), (rows[50:], 0)):
        finished = run_inline(recipe(deal=Deal(pairs=pairs), node=stage), tmp_path)
        assert computed(finished) == {"deal": expected, "node": expected}


def test_another_temperature_recomputes_generation_and_below_it_only_rows_whose_values_changed(place):
    before = again(place).frame("traces", VERDICT_READS)
    finished = again(place, temperature=0.9)
    after = finished.frame("traces", VERDICT_READS)
    n_changed = after.join(before, on=VERDICT_READS, how="anti", nulls_equal=True).height
    assert 0 < n_changed < after.height
    assert computed(finished)["traces"] == N_PROBLEMS
    assert calls_made(finished) == N_PROBLEMS * N_SAMPLES
    assert computed(finished)["verified"] == n_changed


def test_another_selection_rule_makes_no_call_and_judges_nothing_again(place):
    finished = again(place, select_rules=[CORRECT, {"hard": {"column": "pass_rate", "at_most": 0.5}}])
    assert calls_made(finished) == 0
    assert computed(finished) == {"problems": 0, "traces": 0, "verified": 0, "graded": 0, "selected": N_PROBLEMS}


def test_four_more_samples_are_four_more_calls_per_problem(place):
    assert calls_made(again(place, samples=8)) == 4 * N_PROBLEMS


def test_a_raised_stage_version_with_the_same_requests_makes_no_call(place, monkeypatch):
    monkeypatch.setattr(Generate, "version", Generate.version + 1)
    finished = again(place)
    assert calls_made(finished) == 0
    assert finished.node("traces")["calls"]["n_recalled"] == N_PROBLEMS * N_SAMPLES
    assert computed(finished)["traces"] == N_PROBLEMS


def test_an_upstream_change_that_writes_the_same_values_stops_there(place, monkeypatch):
    monkeypatch.setattr(Generate, "version", Generate.version + 1)
    finished = again(place)
    assert [computed(finished)[name] for name in ("verified", "graded", "selected")] == [0, 0, 0]


def test_another_recipe_with_the_same_stages_uses_the_same_ledgers(place):
    nodes = dict(list(curate(str(place / "problems.jsonl")).nodes.items())[:3])
    other = curate(str(place / "problems.jsonl")).model_copy(update={"name": "other", "nodes": nodes})
    finished = run_inline(other, place / "store")
    assert set(computed(finished).values()) == {0}


def test_two_engines_with_one_model_share_their_calls(place):
    one = curate(str(place / "problems.jsonl"))
    spec = one.engines["teacher"]
    nodes = one.nodes | {"traces": Node(stage=Generate(engine="professor", samples=N_SAMPLES))}
    renamed = one.model_copy(update={"engines": {"professor": spec}, "nodes": nodes})
    config = ExecutionConfig(executor="inline", engines={"professor": EngineConfig(max_in_flight=1)})
    assert set(computed(run(renamed, str(place / "store"), config)).values()) == {0}


def test_a_bad_row_is_remembered_and_not_tried_again(tmp_path):
    a_recipe = recipe(deal=Deal(pairs=((0, 5), (1, 6), (2, 10))), mix=Mix(refused=0))
    first, second = run_inline(a_recipe, tmp_path), run_inline(a_recipe, tmp_path)
    assert [one.node("mix")["n_failed"] for one in (first, second)] == [2, 2]
    assert computed(second)["mix"] == 0


PAIRS = tuple((base, x) for base in range(12) for x in range(base % 4))


def everything(pairs=PAIRS) -> Recipe:
    """All shapes, and two parents at once, whose rows meet in another order when the partitions are others."""
    return recipe(
        deal=Deal(pairs=pairs),
        split=SplitBeside(refused=3),
        mix=(Mix(column="x", to="y"), ("deal",)),
        rank=(Rank(), ("split", "mix")),
        sum=Sum(column="z"),
        lines=Lines(),
    )


def test_files_are_the_same_bytes_for_any_number_of_partitions(tmp_path):
    files = [files_of(run_inline(everything(), tmp_path / str(n), n), "lines") for n in (1, 7, 16)]
    assert files[0] == files[1] == files[2]
    assert len(files[0]["rows.jsonl"].splitlines()) > len(PAIRS)


def test_files_are_the_same_bytes_after_detours_as_from_a_cold_start(tmp_path):
    cold = run_inline(everything(), tmp_path / "cold")
    for pairs in (PAIRS[5:], PAIRS[:9], PAIRS):
        warm = run_inline(everything(pairs), tmp_path / "warm")
    assert files_of(warm, "lines") == files_of(cold, "lines")


@pytest.mark.slow
def test_files_are_the_same_bytes_on_ray_as_in_one_process(place):
    one = curate(str(place / "problems.jsonl"))
    shards = one.model_copy(update={"nodes": one.nodes | {"lines": Node(stage=TraceLines())}})
    inline = run_inline(shards, place / "store")
    config = ExecutionConfig(num_cpus=2, partitions=3, engines={"default": EngineConfig(num_cpus=0)})
    assert files_of(run(shards, str(place / "ray"), config), "lines") == files_of(inline, "lines")
