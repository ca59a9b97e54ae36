"""`laconic eval`: what is counted, what is paid for, how sure it is, and what it refuses; scripted and inline."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.execution import ExecutionConfig
from pipeline.lookup import ROOT
from schemas.wilson import wilson_interval
from trainer.evaluation import EvaluationConfig, evaluate, report, slug
from trainer.evaluation_answers import level_in
from trainer.evaluation_plot import Point, overlap, place_labels, plot_points
from trainer.evaluation_statistics import BOOTSTRAP, WILSON, ratio, share
from trainer.evaluation_table import print_report

INLINE = str(ROOT / "ray_configs" / "inline.yaml")
EVEN, SHORT, LONGER, SEVEN = (
    f"scripted:tests.evaluation_scripts:{name}"
    for name in ("even", "even_and_short", "longer_and_longer", "refuses_seven")
)
ARITHMETIC = "scripted:pipeline.engines.scripted:arithmetic"


def found(store: Path, problems: str, *models: str, **settings):
    config = EvaluationConfig(problems=problems, **{"samples": 2, "max_tokens": 200} | settings)
    inline = ExecutionConfig(executor="inline", partitions=2)
    return report(evaluate(models, config, str(store), inline), config)


def laconic(*arguments: str):
    return CliRunner().invoke(app, ["eval", *arguments, "--config", INLINE])


def test_accuracy_and_tokens_are_those_of_the_answers(tmp_path, write_problems):
    (model,) = found(tmp_path / "store", write_problems(40), EVEN)["models"]
    assert (model["n_problems"], model["n_answers"]) == (40, 80)
    assert model["accuracy"]["value"] == 0.5 and model["interval"] == BOOTSTRAP
    assert model["accuracy"]["low"] < 0.5 < model["accuracy"]["high"]
    assert model["tokens"]["all"] == {"value": 14.0, "low": 14.0, "high": 14.0, "median": 14.0, "p90": 14.0}
    assert model["tokens_per_correct"]["value"] == 28.0
    assert (model["truncated_share"], model["undecided_share"]) == (0.0, 0.0)


def test_an_answer_beyond_the_budget_counts_as_wrong(tmp_path, write_problems):
    (model,) = found(tmp_path / "store", write_problems(50), LONGER, budgets=(14, 27))["models"]
    within = [at["accuracy"]["value"] for at in model["at_budgets"]]
    assert within == [0.2, 0.4] and model["accuracy"]["value"] == 1.0  # of n words 1.3 n tokens, and one for the answer


def test_a_cut_off_answer_is_wrong_and_counted(tmp_path, write_problems):
    (model,) = found(tmp_path / "store", write_problems(24), LONGER, max_tokens=12)["models"]
    assert model["truncated_share"] == pytest.approx(15 / 24, abs=1e-3)
    assert model["accuracy"]["value"] == pytest.approx(9 / 24, abs=1e-3)


def test_a_second_evaluation_computes_nothing_and_more_samples_pay_for_the_new_ones(tmp_path, write_problems):
    store, problems = tmp_path / "store", write_problems(6)
    taken = []
    for samples in (4, 4, 8):
        (model,) = found(store, problems, ARITHMETIC, samples=samples)["models"]
        taken.append(model["n_calls"])
    assert taken == [24, 0, 24]


def test_problems_that_a_model_fails_at_are_left_out_and_counted(tmp_path, write_problems):
    (model,) = found(tmp_path / "store", write_problems(10), SEVEN)["models"]
    assert model["n_problems"] == 9 and model["left_out"] == {"answers": 1}


def test_a_difference_is_paired_on_the_problems_that_both_have_answered(tmp_path, write_problems):
    differences = found(tmp_path / "store", write_problems(40), SHORT, EVEN, SEVEN)["differences"]
    assert [pair["n_problems"] for pair in differences] == [40, 39]
    for pair in differences:
        assert pair["accuracy"] == {"value": 0.0, "low": 0.0, "high": 0.0}
        assert pair["tokens"]["value"] == -8.0 and pair["tokens_ratio"]["value"] < 0.5


def test_levels_are_those_of_the_set(tmp_path):
    rows = [{"problem": f"What is {n} + {2 * n}?", "answer": str(3 * n), "level": 10 - n % 2 * 9} for n in range(8)]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (model,) = found(tmp_path / "store", str(tmp_path / "set.jsonl"), EVEN)["models"]
    assert {name: level["accuracy"]["value"] for name, level in model["levels"].items()} == {"1": 0.0, "10": 1.0}
    assert list(model["levels"]) == ["1", "10"]


def test_a_score_is_no_level():
    assert level_in('{"difficulty": 0.37}') is None and level_in('{"level": "Level 5"}') == "Level 5"


def test_of_a_released_data_set_the_problems_are_taken_once_and_the_excluded_ones_not(tmp_path, write_problems):
    for name in ("data", "excluded"):
        (tmp_path / "set" / name).mkdir(parents=True)
    rows = [
        {"problem": f"{n} + {2 * n}", "answer": str(3 * n), "kind": "math", "trace_id": t}
        for n in range(5)
        for t in "ab"
    ]
    (tmp_path / "set" / "data" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "set" / "excluded" / "train.jsonl").write_text('{"problem": "99 + 1", "answer": "100"}')
    (tmp_path / "set" / "dataset.json").write_text("{}")
    (model,) = found(tmp_path / "store", str(tmp_path / "set"), EVEN)["models"]
    assert model["n_problems"] == 5 and model["left_out"] == {"problems": 5}


def test_answers_that_nothing_can_judge_are_no_wrong_answers(tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    row = {"problem": "Write a program that prints 3.", "answer": "print(3)", "kind": "code"}
    (tmp_path / "set" / "data" / "train.jsonl").write_text(json.dumps(row))
    (tmp_path / "set" / "dataset.json").write_text("{}")
    done = found(tmp_path / "store", str(tmp_path / "set"), EVEN)
    assert done["models"][0]["undecided_share"] == 1.0 and done["models"][0]["accuracy"] is None
    print_report(done)


def test_the_command_prints_a_table_or_json(tmp_path, write_problems):
    options = ["--max-tokens", "100", "--samples", "2", "--against", EVEN, "--budgets", "10,50"]
    options += [LONGER, write_problems(20), "--store", str(tmp_path / "store")]
    done = laconic(*options)
    for text in ("accuracy in %", "within 50 tokens", "difference, paired", "40 answers made, 0 found", "bootstrap"):
        assert text in done.stdout, done.output
    answer = json.loads(laconic(*options, "--json").stdout)
    assert [model["accuracy"]["value"] for model in answer["models"]] == [1.0, 0.5]
    assert answer["settings"]["budgets"] == [10, 50] and answer["models"][0]["n_calls"] == 0


@pytest.mark.slow
def test_the_same_answers_give_the_same_plot(tmp_path, write_problems):
    plot, problems = tmp_path / "plot.svg", write_problems(20)
    options = ["--max-tokens", "100", "--against", EVEN, "--plot", str(plot), "--store", str(tmp_path / "store")]
    drawn = []
    for _ in range(2):
        assert laconic(LONGER, problems, *options, "--json").exit_code == 0
        drawn.append(plot.read_bytes())
    assert drawn[0] == drawn[1] and b"<svg" in drawn[0]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--budgets", "12x"], "--budgets: '12x' is no number of tokens; write e.g. 128,256,512"),
        (["--budgets", "0,50"], "--budgets: a budget is a number of tokens above 0"),
        (["--budgets", "500"], "--budgets: 500 is above --max-tokens 100"),
        (["--top-p", "0"], "--top-p: Input should be greater than 0"),
        (["--temperature", "0"], "`temperature: 0` gives the same trace every time"),
        (["--plot", "plot.txt"], "--plot: plot.txt must end in .svg, .pdf, .png"),
        (["--plot", "nowhere/plot.svg"], "there is no folder nowhere"),
        (["--prompt", "Solve it."], "`prompt` must hold {problem}"),
        (["--against", "./nowhere"], "model ./nowhere: no config.json there"),
    ],
)
def test_a_mistake_is_said_in_a_sentence_before_anything_is_asked(options, sentence, tmp_path, write_problems):
    done = laconic(EVEN, write_problems(3), "--max-tokens", "100", "--store", str(tmp_path / "store"), *options)
    assert done.exit_code == 2 and sentence in done.stderr, done.output
    assert not (tmp_path / "store").exists()


def test_a_set_without_answers_is_refused(tmp_path):
    (tmp_path / "set.jsonl").write_text('{"problem": "What?"}\n{"problem": "Why?"}\n')
    done = laconic(EVEN, str(tmp_path / "set.jsonl"), "--max-tokens", "9", "--store", str(tmp_path / "store"))
    assert done.exit_code == 2 and "none of its 2 problems has an answer or tests" in done.stderr


def test_a_set_that_is_not_there_is_said_in_a_sentence(tmp_path):
    done = laconic(EVEN, str(tmp_path / "none.jsonl"), "--max-tokens", "9", "--store", str(tmp_path / "store"))
    assert done.exit_code == 2 and "none.jsonl does not exist" in done.stderr


def test_a_model_that_answers_nothing_ends_with_its_reason(tmp_path):
    (tmp_path / "set.jsonl").write_text('{"problem": "What is 7 + 14?", "answer": "21"}\n')
    done = laconic(SEVEN, str(tmp_path / "set.jsonl"), "--max-tokens", "9", "--store", str(tmp_path / "store"))
    assert done.exit_code == 1 and "has not answered a single problem; ValueError: seven" in done.stderr


@pytest.mark.parametrize(
    ("place", "name"), [("org/Qwen3-4B", "qwen3-4b"), ("a/b.jsonl", "b"), ("runs/x/", "x"), ("的", "unnamed")]
)
def test_models_and_sets_give_their_recipes_a_name(place, name):
    assert slug(place) == name


def test_few_problems_get_the_wilson_interval_for_as_many_trials():
    few = share(np.array([1.0] * 5), np.ones(5), seed=1)
    assert few.method == WILSON and few.interval == wilson_interval(1.0, 5)


def test_a_sure_model_on_many_problems_still_has_an_interval():
    every = share(np.ones(200), np.ones(200), seed=1)
    assert every.method == WILSON and every.interval[0] < 1.0


def test_the_bootstrap_has_the_width_of_the_standard_error():
    rng = np.random.default_rng(3)
    values = rng.normal(100, 20, size=400)
    low, high = ratio(values, np.ones(400), seed=1).interval
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_replicates_that_disagree_widen_the_interval():
    same = np.tile(np.linspace(0, 1, 50), (4, 1))
    apart = same + np.array([[-0.3], [-0.1], [0.1], [0.3]])
    widths = [np.ptp(ratio(values, np.ones_like(values), seed=1).interval) for values in (same, apart)]
    assert widths[1] > 1.5 * widths[0]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=20, max_size=60))
def test_a_paired_difference_is_that_of_the_differences(pairs):
    ours, theirs = (np.array(values) for values in zip(*pairs, strict=True))
    ones = np.ones(len(pairs))
    paired, of_differences = ratio(ours, ones, 5).minus(ratio(theirs, ones, 5)), ratio(ours - theirs, ones, 5)
    assert paired.value == pytest.approx(of_differences.value, abs=1e-9)
    assert paired.interval == pytest.approx(of_differences.interval, abs=1e-9)


def test_labels_hide_neither_crosses_nor_each_other():
    rng = random.Random(4)
    middles = [(rng.uniform(100, 700), rng.uniform(100, 500)) for _ in range(10)]
    arms = [(x - 20, y - 3, x + 20, y + 3) for x, y in middles] + [(x - 3, y - 20, x + 3, y + 20) for x, y in middles]
    boxes = place_labels(middles, [(90, 14)] * 10, arms, (0, 0, 800, 600))
    hidden = [(i, other) for i, box in enumerate(boxes) for other in (*arms, *boxes[:i]) if overlap(box, other)]
    assert not hidden


def test_a_plot_of_one_model_is_drawn(tmp_path):
    plot_points([Point("one", (10, 9, 11), (0.5, 0.4, 0.6))], tmp_path / "plot.png", "one")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
