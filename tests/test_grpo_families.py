"""The benchmark of reward families: its problems, its configurations and its figures, without a training."""

import json
import random

from benchmarks.grpo_families import ALL, Setting, config_of, estimates, plot, prompt_of, table, write_problems
from benchmarks.grpo_modes import FAMILIES, turns
from pipeline.lookup import ROOT

LINE = {
    "accuracy_before": {"value": 0.9, "low": 0.8, "high": 1.0}, "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0},
    "accuracy_gain": {"value": 0.0, "low": -0.1, "high": 0.1}, "tokens_before": {"value": 130, "low": 120, "high": 140},
    "tokens": {"value": 70, "low": 65, "high": 75}, "tokens_ratio": {"value": 0.54, "low": 0.5, "high": 0.6},
    "silent_groups": 0.1, "mixed_groups": 0.2,
}  # fmt: skip


def setting(folder) -> Setting:
    return Setting(folder, steps=5, cold_steps=1, problems=6, answers=1)


def test_no_problem_is_trained_on_and_tested(tmp_path):
    write_problems(setting(tmp_path))
    train, test = (
        [json.loads(line)["problem"] for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("train", "test")
    )
    assert (len(train), len(test)) == (400, 6) and not set(train) & set(test)


def test_every_family_is_its_recipe_on_the_problems_of_the_benchmark(tmp_path):
    for family in set(ALL) - set(FAMILIES):
        config = config_of(setting(tmp_path), family, seed=3)
        assert (config.n_steps, config.seed, config.data) == (5, 3, str(tmp_path / "train.jsonl"))
        assert (ROOT / "recipes" / "train" / f"grpo_{family}.yaml").is_file()


def test_a_curriculum_is_asked_with_its_last_budget(tmp_path):
    config = config_of(setting(tmp_path), "curriculum", seed=1).model_copy(update={"n_steps": 70})
    assert prompt_of(config) == "{problem}\nThink for exactly 64 tokens."
    assert prompt_of(config_of(setting(tmp_path), "kimi", seed=1)) == "{problem}"


def test_a_cold_start_shows_both_modes_and_brief_traces_without_a_re_check():
    answers = [turns(random.Random(seed))[1]["content"] for seed in range(20)]
    assert {answer.split("\n")[0] for answer in answers} == {" easy", " careful"}
    assert all(len(answer) < 400 for answer in answers if answer.startswith(" easy"))


def test_figures_are_paired_over_problems():
    before = {"correct": [1.0, 0.0, 1.0], "tokens": [10.0, 20.0, 30.0]}
    after = {"correct": [1.0, 0.0, 1.0], "tokens": [5.0, 10.0, 15.0]}
    half = estimates([after])["tokens"].over(estimates([before])["tokens"])
    assert half.as_dict() == {"value": 0.5, "low": 0.5, "high": 0.5}


def test_a_table_and_a_figure_come_out(tmp_path):
    assert "54 [50, 60]" in table({"kimi": LINE})
    plot({"kimi": LINE}, tmp_path / "families.svg")
    assert (tmp_path / "families.svg").stat().st_size > 1000
