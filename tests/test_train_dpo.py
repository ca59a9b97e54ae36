"""Preference training on the embedded teacher: whole answers, single steps, adapters, stored reference values."""

import math

import pytest

from tests.train_rows import TEACHER, dpo_config, pair_rows, turns, write
from trainer import dpo

pytestmark = pytest.mark.slow


def quiet(line):
    pass


def step_rows(n):
    rows = pair_rows(n)
    for i, row in enumerate(rows):
        row |= {
            "prefix": f"<think>\nOkay, let me start from {i}.\n\n",
            "chosen": f"{i} + 2 = {i + 2}.\n\n",
            "rejected": f"{i} + 2 = {i + 3}.\n\n",
        }
    return rows


def prepared(config):
    return dpo.prepare(config, "preference", dpo.pair_examples)


def losses(config):
    trainer = dpo.dpo_trainer(config, prepared(config))
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


def test_the_student_learns_to_tell_the_pairs_apart(tmp_path):
    config = dpo_config(write(tmp_path, pair_rows(8)), tmp_path / "o", n_steps=8)
    facts = dpo.train(config, show=quiet)
    assert facts["result"]["loss_at_start"] == pytest.approx(math.log(2), abs=1e-4)
    assert facts["result"]["loss"] < 0.4
    assert "dpo" in (tmp_path / "o" / "README.md").read_text()


def test_turns_and_plain_text_are_the_same_pair(tmp_path):
    rows = pair_rows(3)
    as_turns = [
        row | {"chosen": turns("q", row["chosen"])[1:], "rejected": turns("q", row["rejected"])[1:]} for row in rows
    ]
    texts = prepared(dpo_config(write(tmp_path, rows, "a.parquet"), tmp_path / "o")).examples
    lists = prepared(dpo_config(write(tmp_path, as_turns, "b.parquet"), tmp_path / "o")).examples
    assert texts.rows.to_list() == lists.rows.to_list()


def test_trl_would_make_the_same_tokens_of_whole_answers(tmp_path):
    """Ours differ only in what the template writes behind the end of the turn, which is cut off."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(TEACHER)
    row = pair_rows(1)[0]
    ours = prepared(dpo_config(write(tmp_path, [row]), tmp_path / "o")).examples.rows[0]
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True)["input_ids"]
    whole = tokenizer.apply_chat_template([*row["prompt"], {"role": "assistant", "content": row["chosen"]}])[
        "input_ids"
    ]
    assert ours["prompt_ids"] == prompt
    assert ours["chosen_ids"] == whole[len(prompt) : len(whole) - 1]
    assert ours["chosen_ids"][-1] == tokenizer.eos_token_id


def test_a_step_gets_no_end_token_from_anybody(tmp_path):
    config = dpo_config(write(tmp_path, step_rows(4)), tmp_path / "o")
    ready = prepared(config)
    trainer = dpo.dpo_trainer(config, ready)
    assert trainer.train_dataset.to_list() == ready.examples.rows.to_list()
    for row in trainer.train_dataset:
        assert ready.tokenizer.decode(row["prompt_ids"]).endswith("start from " + row_number(ready, row) + ".\n\n")
        assert ready.tokenizer.eos_token_id not in row["chosen_ids"] + row["rejected_ids"]
        assert ready.tokenizer.decode(row["chosen_ids"]).endswith(".\n\n")


def row_number(ready, row):
    return ready.tokenizer.decode(row["prompt_ids"]).split("start from ")[-1].split(".")[0]


def test_steps_that_begin_alike_share_the_beginning_with_the_prompt_alone(tmp_path):
    """`1 + 2 = 3` and `1 + 2 = 4` differ in one token; what they share is learnt by both, not read as prompt."""
    row = prepared(dpo_config(write(tmp_path, step_rows(2)), tmp_path / "o")).examples.rows[1]
    assert row["chosen_ids"][0] == row["rejected_ids"][0]


def test_step_pairs_train(tmp_path):
    found = losses(dpo_config(write(tmp_path, step_rows(8)), tmp_path / "o", n_steps=6, beta=0.5))
    assert found[-1] < found[0]


def test_stored_reference_values_give_the_same_losses(tmp_path):
    data = write(tmp_path, pair_rows(8))
    fields = {"n_steps": 3, "ld_alpha": None}
    live = losses(dpo_config(data, tmp_path / "a", **fields))
    stored = losses(dpo_config(data, tmp_path / "b", precompute_ref_log_probs=True, **fields))
    assert live == pytest.approx(stored, abs=1e-4)


def test_an_adapter_needs_no_second_model(tmp_path):
    config = dpo_config(write(tmp_path, pair_rows(8)), tmp_path / "o", n_steps=4, lora={"rank": 4}, learning_rate=5e-3)
    trainer = dpo.dpo_trainer(config, prepared(config))
    assert trainer.ref_model is None
    trainer.train()
    logged = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert logged[-1] < logged[0] == pytest.approx(math.log(2), abs=1e-4)


@pytest.mark.parametrize(
    "fields",
    [{"loss_type": ("sigmoid", "sft"), "loss_weights": (1.0, 0.2)}, {"ld_alpha": 0.5}, {"loss_type": ("ipo",)}],
    ids=["two losses", "ld_alpha", "ipo"],
)
def test_other_losses_of_trl_are_passed_on(tmp_path, fields):
    config = dpo_config(write(tmp_path, pair_rows(4)), tmp_path / "o", n_steps=1, **fields)
    plain = dpo_config(config.data, tmp_path / "o", n_steps=1)
    trainer = dpo.dpo_trainer(config, prepared(config))
    assert trainer.args.loss_type == list(config.loss_type)
    assert trainer.ld_alpha == config.ld_alpha
    if "ld_alpha" not in fields:  # at the start student and reference agree, and any weight of the tail gives ln 2
        assert losses(config) != losses(plain)
