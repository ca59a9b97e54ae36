"""Two processes of Ray train as one does: the same model, from the same batches, on CPUs; GRPO keeps groups whole."""

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from tests.test_grpo import config as grpo_config
from tests.train_rows import sft_config, sft_rows, write
from trainer import sft
from trainer.reward_log import REWARD_LOG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray's own settings
]


def test_a_mistake_that_a_process_finds_comes_back_as_its_sentence(tmp_path):
    from trainer.errors import TrainError
    from trainer.ray_train import train_on_ray

    placed = {"device": "cpu", "ray": {"num_workers": 1, "use_gpu": False}}
    config = sft_config(write(tmp_path, sft_rows(6)), tmp_path / "o", max_length=56, execution=placed)
    with pytest.raises(TrainError, match=r"^execution\.ray: max_length: 56 tokens would cut 2 of 6 rows"):
        train_on_ray(config, "sft", show=lambda line: None)


def test_two_processes_learn_what_one_learns(tmp_path):
    from trainer.ray_train import train_on_ray

    data = write(tmp_path, sft_rows(8))
    fields = {"n_steps": 2, "batch_size": 8, "warmup": 0.0}
    sft.train(sft_config(data, tmp_path / "one", micro_batch_size=8, **fields), show=lambda line: None)
    placed = {"device": "cpu", "ray": {"num_workers": 2, "use_gpu": False}}
    config = sft_config(data, tmp_path / "two", micro_batch_size=4, execution=placed, **fields)
    facts = train_on_ray(config, "sft", show=lambda line: None)
    assert facts["n_processes"] == 2
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], atol=2e-4) for name in one)


def test_grpo_on_two_processes_of_ray_logs_every_group_once(tmp_path):
    from trainer.ray_train import train_on_ray

    placed = {"device": "cpu", "ray": {"num_workers": 2, "use_gpu": False}}
    config = grpo_config(output=str(tmp_path / "o"), n_steps=2, levels=["1"], micro_batch_size=4, execution=placed)
    facts = train_on_ray(config, "grpo", show=lambda line: None)
    log = pl.read_ndjson(tmp_path / "o" / REWARD_LOG)
    assert facts["n_processes"] == 2 and log["step"].to_list() == [1, 1, 2, 2]
    assert set(log["n_rollouts"]) == {4} and log["problem_id"].n_unique() == 4
