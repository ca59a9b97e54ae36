"""`laconic train`: a sentence and exit code 2 for a mistake, a plan without weights, a trained model."""

import json

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from tests.train_rows import TEACHER, pair_rows, sft_rows, write

CONFIG = """\
model: {model}
data: {data}
output: {output}
learning_rate: 3.0e-4
max_length: 512
batch_size: 4
micro_batch_size: 2
dtype: fp32
execution: {{device: cpu}}
"""


@pytest.fixture
def config(tmp_path):
    def write_config(data, more="", name="sft.yaml"):
        (tmp_path / name).write_text(CONFIG.format(model=TEACHER, data=data, output=tmp_path / "o") + more)
        return str(tmp_path / name)

    return write_config


def laconic(*arguments):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_a_mistake_ends_with_its_sentence_and_code_two(config):
    done = laconic("sft", config("nowhere", "colour: red\n"))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert "there is no field `colour`" in done.stderr


def test_a_set_that_is_not_there_is_named(config, tmp_path):
    done = laconic("sft", config(tmp_path / "nowhere"))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "there is no" in done.stderr


def test_the_dry_run_prints_the_budget_and_where_it_goes(config, tmp_path):
    done = laconic("sft", config(write(tmp_path, sft_rows(8))), "--dry-run", "--output", tmp_path / "else", "--json")
    assert done.exit_code == 0, done.stderr
    assert f"writes   {tmp_path / 'else'}" in done.stderr
    assert json.loads(done.stdout)["n_steps"] == 2
    assert not (tmp_path / "else").exists()


def test_pairs_are_planned_for_dpo(config, tmp_path):
    done = laconic("dpo", config(write(tmp_path, pair_rows(8)), "beta: 0.2\n"), "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "2 of 4 pairs" in done.stderr


def test_without_trl_the_extra_is_named(config, tmp_path, monkeypatch):
    from trainer import setup

    monkeypatch.setattr(setup, "NEEDED", ("trl_that_is_not_there",))
    done = laconic("sft", config(write(tmp_path, sft_rows(1))))
    assert done.exit_code == 2
    assert "pip install 'laconic[train]'" in done.stderr


@pytest.mark.slow
def test_training_from_the_command_line_leaves_a_model_that_can_be_merged(config, tmp_path):
    done = laconic("sft", config(write(tmp_path, sft_rows(8))), "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["result"]["n_steps"] == 2
    assert "step 2/2" in done.stderr
    merged = laconic("merge", TEACHER, tmp_path / "o", tmp_path / "merged", "--weight", "0.5")
    assert merged.exit_code == 0, merged.stderr
    assert (tmp_path / "merged" / "model.safetensors").exists()
