"""What `benchmarks.teach` shows each student, that nothing is tested that was trained on, and how its table adds up."""

import json
import random
from pathlib import Path

import pytest

from benchmarks.shorteners import SCRIPT, TEACHER
from benchmarks.teach import Setting, claim, measure
from benchmarks.teach_arms import ABOUT, ARMS, TakeTrace, arms_recipe
from benchmarks.teach_problems import _whole_way, write_problems
from benchmarks.teach_table import figures, plot, table
from pipeline.bind import bind
from pipeline.execution import ExecutionConfig
from tests.test_benchmark_shorteners import trace_row
from tiny.world import sample_problem

BANK = [
    trace_row("t0", n=100),
    trace_row("t1", n=80),
    trace_row("t2", n=20, outcome="incorrect"),
    trace_row("t3", n=40, n_false_statements=1),
    trace_row("c0", "t0", "asap_coarse", 70),
    trace_row("a0", "c0", "asap", 50),
    trace_row("f0", "t0", "first_correct", 60),
    trace_row("f1", "t1", "first_correct", 45),
    trace_row("f3", "t3", "first_correct", 30, n_false_statements=1),
    trace_row("d0", "t0", "dap", 35, outcome="incorrect", rejected_by="dap: answer incorrect"),
    trace_row("r1", "t1", "random", 48),
]


def taken(arm, seed=0):
    rows = [{"n_false_statements": 0} | row for row in BANK]
    marks = TakeTrace(arm=arm, seed=seed).run(rows)
    (name,) = [row["trace_id"] for row, mark in zip(rows, marks, strict=True) if mark["rejected_by"] is None]
    return name


SEED_OF = {taken("raw", seed): seed for seed in range(40)}


def test_every_seed_draws_a_correct_base_trace():
    assert SEED_OF.keys() == {"t0", "t1", "t3"}


@pytest.mark.parametrize(
    ("arm", "base", "name"),
    [
        ("first_correct", "t0", "f0"),
        ("first_correct", "t1", "f1"),
        ("asap", "t0", "a0"),
        ("asap", "t1", "t1"),
        ("dap", "t0", "t0"),
        ("random", "t1", "r1"),
        ("retro_search", "t0", "t0"),
        ("shortest_of_k", "t0", "t3"),
        ("laconic", "t0", "f1"),
        ("laconic", "t3", "f1"),
    ],
)
def test_an_arm_takes_what_its_method_made_of_the_base_trace_and_else_the_base_trace(arm, base, name):
    assert taken(arm, SEED_OF[base]) == name


def test_a_problem_that_was_never_solved_is_in_no_set():
    rows = [trace_row("t2", outcome="incorrect", n_false_statements=0)]
    assert TakeTrace(arm="raw").run(rows) == [{"rejected_by": "not for raw"}]


def test_no_problem_is_tested_that_was_trained_on(tmp_path):
    made = write_problems(tmp_path, 40, seed=1)
    train, test = ([json.loads(line) for line in path.read_text().splitlines()] for path in (made.train, made.test))
    assert len(train) == len(test) == 40
    assert not {row["problem"] for row in train} & {row["problem"] for row in test}
    assert [row["level"] for row in test[:6]] == ["1", "2", "3", "4", "5", "1"]


def test_the_recipe_has_a_set_for_every_arm(tmp_path):
    train = write_problems(tmp_path, 5, seed=1).train
    models = {"teacher": TEACHER, "rewriter": SCRIPT, "scorer": TEACHER}
    nodes = bind(arms_recipe(models, str(train), n_samples=2, seed=3), ExecutionConfig())
    assert {f"{arm}_set" for arm in ARMS} <= nodes.keys() and ABOUT.keys() == {"none", *ARMS}


def result(correct, tokens, train_tokens=100.0):
    n = len(correct)
    base = {"problem_id": [f"p{i:02}" for i in range(n)], "level": ["1"] * n, "truncated": [0.0] * n}
    return base | {"correct": correct, "tokens": tokens, "train_tokens": train_tokens}


RESULTS = {
    "none": [result([0.5] * 30, [200.0] * 30, None)] * 2,
    "raw": [result([0.0, 1.0] * 15, [100.0] * 30), result([1.0, 0.0] * 15, [120.0] * 30)],
    "laconic": [result([0.5, 1.0] * 15, [40.0] * 30), result([1.0, 0.5] * 15, [44.0] * 30)],
    "asap": [result([0.0] * 30, [30.0] * 30)] * 2,
}


def test_the_table_adds_up():
    found = figures(RESULTS, whole_way_tokens=55.0, seed=1)
    raw, laconic = found["sets"]["raw"], found["sets"]["laconic"]
    assert (raw["accuracy"]["value"], raw["tokens"]["value"], raw["tokens_per_correct"]["value"]) == (0.5, 110.0, 220.0)
    assert raw["minus_raw"]["accuracy"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert laconic["minus_raw"]["accuracy"]["value"] == 0.25 and laconic["minus_raw"]["accuracy"]["low"] > 0.1
    assert laconic["minus_raw"]["tokens_ratio"]["value"] == pytest.approx(42 / 110, abs=1e-4)
    assert found["goal"] == ["laconic"] and found["sets"]["none"]["train_tokens"] is None
    assert "no worse than raw at half its tokens or less: laconic" in table(found)
    assert "every step and no word too much: 55.0 tokens, 50% of raw" in table(found)


def test_every_arm_is_on_the_plot(tmp_path):
    plot(figures(RESULTS, whole_way_tokens=55.0, seed=1), tmp_path / "teach.svg", "answers")
    assert "<svg" in (tmp_path / "teach.svg").read_text()


def test_a_folder_keeps_the_results_of_one_setting(tmp_path):
    claim(tmp_path, {"steps": 40})
    claim(tmp_path, {"steps": 40})
    with pytest.raises(SystemExit, match="other settings"):
        claim(tmp_path, {"steps": 20})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of TRL and datasets
def test_students_are_taught_and_a_second_run_goes_on_from_what_is_there(tmp_path):
    setting = Setting(str(tmp_path), problems=5, samples=2, steps=2, answers=1, learning_rate=5e-4)
    problems = write_problems(tmp_path, 5, seed=1)
    first = measure(setting, problems, seeds=1, jobs=1, scorer=Path(TEACHER))
    assert first.keys() == {"sampled", "greedy"} and all(results.keys() == ABOUT.keys() for results in first.values())
    assert all(len(one["correct"]) == 5 for results in first.values() for (one,) in results.values())
    (tmp_path / "results").joinpath(sorted(p.name for p in (tmp_path / "results").iterdir())[0]).unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("students/*/training.json")}
    assert measure(setting, problems, seeds=1, jobs=1, scorer=Path(TEACHER)) == first
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("students/*/training.json")}


def test_the_whole_way_names_every_operation_once():
    problem = sample_problem(random.Random(5), 4, held_out=True)
    way = _whole_way(problem)
    assert all(way.count(f"{tag} {text}") == 1 for tag, text in zip(problem.tags, problem.op_texts, strict=True))
    assert way.endswith(f"The answer is {problem.answer}.") and "Wait" not in way
