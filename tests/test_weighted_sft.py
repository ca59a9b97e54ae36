"""Weighted SFT: values by hand, REDI, weights of rows."""

import pytest
import torch

from tests.train_rows import pair_rows, sft_config, sft_rows, turns, write
from trainer import sft
from trainer.examples import token_weights
from trainer.weighted_sft import WeightedCollator, weighted_loss

pytestmark = pytest.mark.slow


def first_loss(config):
    trainer = sft.sft_trainer(config, sft._prepare(config))
    trainer.train()
    return trainer.state.log_history[0]["loss"]


def mean_logps(row_texts):
    """Mean log-probability of each answer under the untrained teacher, by a plain softmax."""
    from tests.test_train_render import RENDERER
    from trainer.setup import load_model

    model = load_model(sft_config("d", "o"))
    means = []
    for question, answer in row_texts:
        rendered = RENDERER.answer([{"role": "user", "content": question}], answer)
        with torch.no_grad():
            logps = torch.log_softmax(model(torch.tensor([rendered.input_ids])).logits[0].float(), dim=-1)
        chosen = [logps[i - 1, label] for i, label in enumerate(rendered.labels) if label != -100]
        means.append(float(torch.stack(chosen).mean()))
    return means


def step(data, tmp_path, **fields):
    return sft_config(data, tmp_path / "o", n_steps=1, **fields)


def test_weights_of_tokens_by_hand():
    assert token_weights([-100, 5, 6, -100], 2.0, per_sequence=True) == [0.0, 1.0, 1.0, 0.0]
    assert token_weights([-100, 5, 6, -100], -0.8, per_sequence=False) == [0.0, -0.8, -0.8, 0.0]
    assert token_weights([5, 6], None, per_sequence=True) == [0.5, 0.5]


def test_the_loss_by_hand():
    log_probs = torch.tensor([[-1.0, -2.0, -3.0]])
    assert weighted_loss(log_probs, torch.tensor([[9.0, 0.5, 0.0, -1.0]])) == pytest.approx(0.5 * 1 - 3.0)


def test_the_mean_over_rows_matches_a_plain_softmax(tmp_path):
    rows = sft_rows(4)
    means = mean_logps([(row["messages"][0]["content"], row["messages"][1]["content"]) for row in rows])
    loss = first_loss(step(write(tmp_path, rows), tmp_path, loss_mean="sequence"))
    assert loss == pytest.approx(-sum(means) / 4, abs=1e-3)


def test_the_same_row_with_weights_one_and_minus_alpha_gives_the_difference_of_both(tmp_path):
    row = sft_rows(1)[0]
    (mean,) = mean_logps([(row["messages"][0]["content"], row["messages"][1]["content"])])
    rows = [row | {"weight": 1.0}, row | {"weight": -0.8}]
    loss = first_loss(step(write(tmp_path, rows), tmp_path, batch_size=2, loss_mean="sequence"))
    assert loss == pytest.approx((0.8 - 1) / 2 * mean, abs=1e-3)


def test_redi_is_the_same_weighted_loss_on_both_members_of_each_pair(tmp_path):
    rows = pair_rows(2)
    texts = [(row["prompt"][0]["content"], row[member]) for row in rows for member in ("chosen", "rejected")]
    means = mean_logps(texts)
    weights = [1.0, -0.8, 1.0, -0.8]
    loss = first_loss(step(write(tmp_path, rows), tmp_path, redi={"alpha": 0.8}))
    expected = -sum(w * m for w, m in zip(weights, means, strict=True)) / 4
    assert loss == pytest.approx(expected, abs=1e-3)


def test_redi_moves_towards_the_chosen_and_away_from_the_rejected(tmp_path):
    config = sft_config(write(tmp_path, pair_rows(4)), tmp_path / "o", n_steps=6, redi={}, learning_rate=1e-3)
    trainer = sft.sft_trainer(config, sft._prepare(config))
    trainer.train()
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert losses[-1] < losses[0] - 0.1


def test_a_row_of_weight_zero_teaches_nothing(tmp_path):
    rows = sft_rows(2)
    silent = first_loss(step(write(tmp_path, [r | {"weight": 0.0} for r in rows]), tmp_path, batch_size=2))
    assert silent == 0.0


def test_rows_without_a_weight_count_one(tmp_path):
    rows = sft_rows(4)
    plain = first_loss(step(write(tmp_path, rows, "a.parquet"), tmp_path))
    weighted = [row | {"weight": None if i else 1.0} for i, row in enumerate(rows)]
    assert first_loss(step(write(tmp_path, weighted, "b.parquet"), tmp_path)) == pytest.approx(plain, abs=1e-4)


def test_a_set_whose_weights_are_all_empty_is_trained_by_the_plain_trainer(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(sft_rows(2)).append_column("weight", pa.array([None, None], pa.float64()))
    pq.write_table(table, tmp_path / "rows.parquet")
    examples = sft._prepare(step(str(tmp_path / "rows.parquet"), tmp_path)).examples
    assert "token_weights" not in examples.rows.column_names


def test_both_members_of_a_pair_stand_in_one_batch():
    row = {
        "input_ids": [[1, 2], [3, 4, 5]],
        "labels": [[-100, 2], [-100, 4, 5]],
        "token_weights": [[0, 1], [0, -0.4, -0.4]],
    }
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    batch = WeightedCollator(DataCollatorForLanguageModeling(pad_token_id=0))([row, row])
    assert batch["input_ids"].shape == (4, 3)
    assert batch["token_weights"].tolist()[:2] == [[0, 1, 0], pytest.approx([0, -0.4, -0.4])]


def test_weighted_rows_that_are_packed_keep_their_weights(tmp_path):
    rows = [row | {"weight": float(i)} for i, row in enumerate(sft_rows(4))]
    data = write(tmp_path, rows)
    fields = {"loss_mean": "sequence", "batch_size": 4, "micro_batch_size": 4}
    plain = first_loss(step(data, tmp_path, **fields))
    assert first_loss(step(data, tmp_path, packing=True, **fields)) == pytest.approx(plain, abs=1e-3)


def test_masked_thought_refuses_weighted_rows(tmp_path):
    from trainer.errors import TrainError

    rows = [{"problem_id": "p", "messages": turns("q", "a"), "weight": 0.5}]
    with pytest.raises(TrainError, match="rows of equal weight only"):
        sft.plan(sft_config(write(tmp_path, rows), tmp_path / "o", masked_thought={}), lambda line: None)
