"""GRPO on the tiny teacher through TRL itself: the traps, every kind of loss and rollout, resuming, two processes."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.test_grpo import config
from trainer import grpo
from trainer.errors import TrainError
from trainer.reward_log import REWARD_LOG

pytestmark = pytest.mark.slow
STEPS = {"levels": ["1"], "n_steps": 1, "max_completion_tokens": 48}


def trainer_of(folder: Path, **changes):
    prepared = grpo.prepare(config(**STEPS | {"output": str(folder)} | changes))
    return grpo._trainer(prepared)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A trainer that has made one step, and the batch of that step before TRL shuffled it."""
    trainer = trainer_of(tmp_path_factory.mktemp("plain"), batch_size=16, micro_batch_size=4)
    generate, batches = trainer._generate_and_score_completions, []

    def noted(inputs):
        batches.append((inputs, generate(inputs)))
        return batches[-1][1]

    trainer._generate_and_score_completions = noted
    trainer.train()
    return trainer, batches


# --- the traps of TRL ---


def test_what_hurts_in_silence_is_set(plain):
    args = plain[0].args
    assert args.max_completion_length == 48 and args.scale_rewards == "none"
    assert not args.shuffle_dataset and not args.remove_unused_columns and args.report_to == []
    assert args.gradient_accumulation_steps == args.steps_per_generation == 4


def test_a_process_gets_whole_groups_side_by_side(plain):
    places = [one["place"] for one in plain[1][0][0]]
    assert places == [place for place in places[::4] for _ in range(4)] and len(set(places)) == 4


def test_advantages_stay_with_their_completions_though_trl_shuffles_the_batch(plain):
    trainer, ((_, before),) = plain
    by_text = defaultdict(list)
    for ids, advantage in zip(before["completion_ids"].tolist(), before["advantages"].tolist(), strict=True):
        by_text[tuple(ids)].append(advantage)
    after = [
        (tuple(ids), advantage)
        for batch in trainer._buffered_inputs
        for ids, advantage in zip(batch["completion_ids"].tolist(), batch["advantages"].tolist(), strict=True)
    ]
    assert [ids for ids, _ in after] != [tuple(ids) for ids in before["completion_ids"].tolist()]
    assert all(advantage in by_text[ids] for ids, advantage in after)


class OnlyEveryGth:
    """vLLM behind TRL's server mode: it samples n answers for every n-th prompt and nothing for the others."""

    def sync_weights(self):
        pass

    def generate(self, prompts, images, num_generations, profiler):
        asked = [prompt for prompt in prompts[::num_generations] for _ in range(num_generations)]
        return None, [[prompt[0]] for prompt in asked], [[[0.0]] for _ in asked], None


@pytest.mark.parametrize(
    ("rollout", "answered"),
    [({"rollout": "plain"}, [11, 11, 11, 11]), ({"rollout": "budget_prompt"}, [11, 12, 13, 14])],
)
def test_unequal_prompts_of_a_group_are_sent_to_the_server_one_by_one(plain, monkeypatch, rollout, answered):
    trainer = plain[0]
    monkeypatch.setattr(trainer, "config", config(rollout=rollout))
    monkeypatch.setattr(trainer, "use_vllm", True)
    monkeypatch.setattr(trainer, "_last_loaded_step", -1, raising=False)
    monkeypatch.setattr(trainer, "vllm_generation", OnlyEveryGth(), raising=False)
    ids, _ = trainer._generate_single_turn([[11], [12], [13], [14]], None, {}, 4)
    assert [one[0] for one in ids] == answered


def test_groups_split_between_processes_are_refused_at_start_up(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(TrainError, match="which splits groups of 4"):
        grpo.prepare(config(**STEPS, output=str(tmp_path)))


def test_vllms_options_are_handed_on():
    from trainer.grpo_trainer import vllm_arguments

    given = vllm_arguments(config(vllm={"mode": "server", "server_url": "http://h:1"}, execution={}))
    assert given["use_vllm"] and given["vllm_mode"] == "server" and given["vllm_server_base_url"] == "http://h:1"
    assert given["vllm_importance_sampling_mode"] == "token_truncate"
    assert vllm_arguments(config()) == {}


# --- a step of each kind ---

KINDS = {
    "gppo": {"loss": "gppo", "gppo": {"nll_coef": 0.1}, "n_iterations": 2, "n_steps": 2},
    "cispo": {"loss": "cispo"},
    "drpo": {"loss": "grpo", "rewards": [{"term": "outcome"}], "shapers": [{"shaper": "drpo", "log_probs": True}]},
    "tokens": {"shapers": [{"shaper": "normalise"}, {"shaper": "repetition"}], "max_completion_tokens": 128},
    "hbpo": {
        "rewards": [{"term": "hbpo", "cap_tokens": 48}],
        "budget": {"budget": "budget_set", "n_tokens": [16, None]},
        "rollout": {"rollout": "budget_prompt", "place": "thought"},
        "shapers": [{"shaper": "normalise", "scale": "batch"}, {"shaper": "hbpo_subgroup", "cap_tokens": 48}],
    },
    "modes": {
        "rewards": [{"term": "mode_reward"}],
        "rollout": {"rollout": "mode_controlled", "modes": {"short": {"tag": "<short>"}, "long": {"tag": "<think>"}}},
        "shapers": [{"shaper": "normalise", "scale": "none"}, {"shaper": "control_token"}],
    },
    "steps": {"shapers": [{"shaper": "step_softmin"}], "rewards": [{"term": "outcome"}], "max_completion_tokens": 128},
    "lora": {"lora": {"rank": 4, "alpha": 8}, "beta": 0.1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_each_kind_changes_the_weights_or_has_nothing_to_learn(tmp_path, kind):
    trainer = trainer_of(tmp_path, **KINDS[kind])
    trainer.train()
    line = trainer.state.log_history[0]
    assert np.isfinite(line["loss"]) and np.isfinite(line["grad_norm"])
    assert (line["grad_norm"] > 0) or line["reward_std"] == 0 or line["share/mixed_groups"] == 0
    if kind == "modes":
        assert line["mode/long"] == 1.0
    if kind == "hbpo":
        assert line["budget"] == 16.0


def test_elastic_closes_the_thought_by_force_and_gives_that_token_no_loss(tmp_path):
    trainer = trainer_of(tmp_path, rollout={"rollout": "elastic", "think_tokens": 20, "solution_tokens": 12})
    rollouts, asked = trainer.rollout_func, []

    def noted(prompts, trainer):
        asked.append((prompts, rollouts(prompts, trainer)))
        return asked[-1][1]

    trainer.rollout_func = noted
    trainer.train()
    prompts, out = asked[0]
    assert len(prompts) == 8 and prompts == [prompt for prompt in prompts[::4] for _ in range(4)]
    injected = [[place for place, own in enumerate(mask) if not own] for mask in out["env_mask"]]
    assert any(injected) and all(places in ([20], []) for places in injected)
    assert all(len(ids) <= 20 + 1 + 12 for ids in out["completion_ids"])
    assert trainer.score.scored.view.n_tokens.reshape(-1).tolist() == out["n_trained"]
    assert sum(int((batch["tool_mask"] == 0).sum()) for batch in trainer._buffered_inputs) == sum(map(bool, injected))


# --- a run ---

RUN = {
    "levels": ["1"], "n_steps": 8, "save_every": 4, "keep_checkpoints": 4, "max_completion_tokens": 128,
    "rewards": [{"term": "outcome", "wrong": -0.5}, {"term": "laser"}], "sampler": {"sampler": "prioritised"},
    "budget": {"budget": "adaptive_bucket", "lower_tokens": 32, "interval_tokens": 8, "every_steps": 3},
}  # fmt: skip


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "whole"
    return folder, grpo.train(config(**RUN, output=str(folder)), show=lambda line: None)


def test_every_step_says_what_it_earned(whole_run):
    folder, facts = whole_run
    first = lines(folder)[0]
    assert {"step", "loss", "accuracy", "n_completion_tokens", "n_tokens_trained"} <= first.keys()
    assert first["reward"] == pytest.approx(first["reward/outcome"] + first["reward/laser"], abs=1e-5)
    assert sum(value for name, value in first.items() if name.startswith("outcome/")) == pytest.approx(1.0)
    assert [line["step"] for line in lines(folder)] == list(range(1, 9))
    assert facts["result"]["n_tokens_trained"] == lines(folder)[-1]["n_tokens_trained"]
    assert pl.read_ndjson(folder / REWARD_LOG)["step"].to_list() == [step for step in range(1, 9) for _ in range(2)]


def test_a_run_that_was_stopped_after_4_steps_ends_as_the_one_that_was_not(whole_run, tmp_path):
    from safetensors.torch import load_file

    whole, _ = whole_run
    again = tmp_path / "again"
    shutil.copytree(whole, again)
    shutil.rmtree(again / "checkpoint-8")
    (again / "training.json").unlink()
    grpo.train(config(**RUN, output=str(again)), resume=True, show=lambda line: None)
    assert lines(again) == lines(whole)
    assert (again / REWARD_LOG).read_text() == (whole / REWARD_LOG).read_text()
    assert state(again) == state(whole)
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, again))
    assert all((one[name] == other[name]).all() for name in one)


def state(folder: Path) -> dict:
    return json.loads((folder / "checkpoint-8" / "laconic.json").read_text())


def test_a_checkpoint_that_was_cut_off_is_named(whole_run, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(whole_run[0], again)
    (again / "training.json").unlink()
    (again / "checkpoint-8" / "laconic.json").unlink()
    with pytest.raises(TrainError, match="checkpoint-8 was cut off while it was written; delete it"):
        grpo.train(config(**RUN, output=str(again)), resume=True, show=lambda line: None)


# --- two processes ---


def test_two_processes_draw_the_same_chunks_hold_whole_groups_and_learn_the_same(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.grpo_two_processes", str(tmp_path)]
    running = [
        subprocess.Popen(command, env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in (0, 1)
    ]
    assert [process.wait(600) for process in running] == [0, 0]
    first, second = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    for name in ("chunks", "rates", "everyone", "advantages", "weights"):
        assert first[name] == second[name], name
    for step, row_ids in enumerate(first["everyone"]):
        held = first["own"][step] + second["own"][step]
        assert held == [row_id for row_id in row_ids for _ in range(4)] and len(set(held)) == 4
    for step, everyone in enumerate(first["advantages"]):
        own = first["own_advantages"][step] + second["own_advantages"][step]
        assert own == pytest.approx(everyone, abs=1e-4)
