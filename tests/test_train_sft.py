"""Supervised fine-tuning, run for real on the embedded teacher: what is learnt, and that a stop changes nothing."""

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.train_rows import answer, sft_config, sft_rows, turns, write
from trainer import sft
from trainer.config import LoraConfig, MaskedThought
from trainer.errors import TrainError
from trainer.masked_thought import masked_inputs, probability

pytestmark = pytest.mark.slow


def quiet(line):
    pass


def weights(folder):
    return load_file(folder / "model.safetensors")


def gradient_and_loss(config):
    """Gradient of the first optimiser step, and its loss, as the trainer itself computes them."""
    trainer = sft.sft_trainer(config, sft._prepare(config))
    seen = {}

    def keep(optimizer, *_):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                seen[id(parameter)] = parameter.grad.clone()

    trainer.create_optimizer_and_scheduler(1)
    trainer.optimizer.register_step_pre_hook(keep)
    trainer.train()
    gradient = torch.cat([seen[id(p)].flatten() for p in trainer.model.parameters() if id(p) in seen])
    return gradient, trainer.state.log_history[0]["loss"]


def one_step(data, tmp_path, **fields):
    return sft_config(data, tmp_path / "o", n_steps=1, max_grad_norm=0.0, warmup=0.0, batch_size=8, **fields)


@pytest.mark.parametrize("fields", [{}, {"loss_mean": "sequence"}], ids=["token", "sequence"])
def test_eight_rows_at_once_and_two_by_two_give_the_same_gradient(tmp_path, fields):
    data = write(tmp_path, sft_rows(8))
    at_once, loss = gradient_and_loss(one_step(data, tmp_path, micro_batch_size=8, **fields))
    in_parts, loss_in_parts = gradient_and_loss(one_step(data, tmp_path, micro_batch_size=2, **fields))
    assert torch.allclose(at_once, in_parts, atol=1e-5)
    assert loss == pytest.approx(loss_in_parts, abs=1e-4)


@pytest.mark.parametrize("fields", [{}, {"loss_mean": "sequence"}], ids=["token", "sequence"])
def test_packed_rows_do_not_see_each_other(tmp_path, fields):
    data = write(tmp_path, sft_rows(8))
    alone, loss = gradient_and_loss(one_step(data, tmp_path, micro_batch_size=8, **fields))
    packed, packed_loss = gradient_and_loss(one_step(data, tmp_path, micro_batch_size=8, packing=True, **fields))
    assert packed_loss == pytest.approx(loss, abs=1e-3)
    assert torch.allclose(packed, alone, atol=1e-4)


def test_a_model_whose_attention_joins_packed_rows_is_noticed(tmp_path):
    from trainer.checks import rows_stay_apart
    from trainer.setup import load_model

    model = load_model(sft_config("d", tmp_path))
    assert rows_stay_apart(model, [40, 41, 42], [50, 51, 52])
    forward = model.forward
    model.forward = lambda position_ids=None, **inputs: forward(**inputs)  # borders are not handed on
    assert not rows_stay_apart(model, [40, 41, 42], [50, 51, 52])


def test_four_steps_and_four_more_equal_eight(tmp_path):
    from transformers import TrainerCallback

    class StopAt(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            control.should_training_stop = state.global_step == 4

    data = write(tmp_path, sft_rows(12))
    fields = {"n_steps": 8, "save_every": 4, "seed": 5}
    sft.train(sft_config(data, tmp_path / "whole", **fields), show=quiet)
    config = sft_config(data, tmp_path / "halves", **fields)
    prepared = sft._prepare(config)

    def interrupted():
        trainer = sft.sft_trainer(config, prepared)
        trainer.add_callback(StopAt())
        return trainer

    from trainer.run import run

    run(config, "sft", prepared, interrupted, show=quiet)
    (tmp_path / "halves" / "training.json").unlink()  # as a killed run leaves it
    said = []
    facts = sft.train(config, resume=True, show=said.append)
    assert [line.split()[1] for line in said if line.startswith("step ")] == ["5/8", "6/8", "7/8", "8/8"]
    whole, halves = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    lines = [(tmp_path / folder / "metrics.jsonl").read_text() for folder in ("whole", "halves")]
    assert [json.loads(line)["step"] for line in lines[1].splitlines()] == list(range(1, 9))
    assert lines[0] == lines[1]
    assert facts["result"]["n_tokens_trained"] == json.loads(lines[0].splitlines()[-1])["n_tokens_trained"]


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path):
    from trainer.run import last_whole_checkpoint

    for step in (4, 8, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert last_whole_checkpoint(tmp_path) is None
    for step in (4, 8):
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    assert last_whole_checkpoint(tmp_path) == str(tmp_path / "checkpoint-8")


def test_a_finished_or_another_training_is_not_gone_on_with(tmp_path):
    config = sft_config(write(tmp_path, sft_rows(4)), tmp_path / "o")
    sft.train(config, show=quiet)
    with pytest.raises(TrainError, match="holds a training already"):
        sft.train(config, show=quiet)
    with pytest.raises(TrainError, match="is finished"):
        sft.train(config, resume=True, show=quiet)
    (tmp_path / "o" / "training.json").unlink()
    with pytest.raises(TrainError, match="begun with another configuration"):
        sft.train(config.model_copy(update={"seed": 9}), resume=True, show=quiet)
    write(tmp_path, sft_rows(5))
    with pytest.raises(TrainError, match="begun with other data"):
        sft.train(config, resume=True, show=quiet)


def test_the_folder_holds_model_card_curves_and_facts(tmp_path):
    data = write(tmp_path, sft_rows(8))
    facts = sft.train(sft_config(data, tmp_path / "o"), show=quiet)
    card = (tmp_path / "o" / "README.md").read_text()
    assert facts["plan"]["data"]["digest"] in card
    assert facts["config_digest"] in card
    assert str(tmp_path) not in card
    assert "<svg" in (tmp_path / "o" / "curves.svg").read_text()
    first = json.loads((tmp_path / "o" / "metrics.jsonl").read_text().splitlines()[0])
    assert {"step", "loss", "accuracy", "n_completion_tokens", "n_tokens_trained"} <= set(first)
    assert facts["result"]["n_tokens_trained"] == facts["plan"]["n_trained_tokens"]
    assert json.loads((tmp_path / "o" / "training.json").read_text()) == facts


def test_the_trained_tokenizer_encodes_as_the_teacher_does(tmp_path):
    from transformers import AutoTokenizer

    from tests.train_rows import TEACHER

    sft.train(sft_config(write(tmp_path, sft_rows(4)), tmp_path / "o"), show=quiet)
    before, after = AutoTokenizer.from_pretrained(TEACHER), AutoTokenizer.from_pretrained(tmp_path / "o")
    for text in (answer(7, 2), "12+3=15.\n\n[a] (3)"):
        assert before.encode(text) == after.encode(text)


def test_one_row_is_learnt_by_heart(tmp_path):
    data = write(tmp_path, [{"problem_id": "p", "messages": turns("Say blue.", answer(41))}] * 4)
    facts = sft.train(sft_config(data, tmp_path / "o", n_steps=30, learning_rate=3e-3), show=quiet)
    assert facts["result"]["loss"] < 0.2 < facts["result"]["loss_at_start"]


def test_a_curriculum_is_followed_in_the_order_of_its_column(tmp_path):
    data = write(tmp_path, sft_rows(4, position=[3, 0, 2, 1]))
    config = sft_config(data, tmp_path / "o", order="position", micro_batch_size=1, batch_size=1)
    trainer = sft.sft_trainer(config, sft._prepare(config))
    texts = [trainer.processing_class.decode(batch["input_ids"][0]) for batch in trainer.get_train_dataloader()]
    assert [text[text.index("with ") + 5] for text in texts] == ["1", "3", "2", "0"]


def test_a_curriculum_needs_its_column(tmp_path):
    config = sft_config(write(tmp_path, sft_rows(2)), tmp_path / "o", order="position")
    with pytest.raises(TrainError, match=r"^order: .* has no `position` in its 2 rows; put the stage `mix`"):
        sft.plan(config, quiet)


def test_a_masked_span_is_not_learnt(tmp_path):
    text = answer(41)
    spans = [{"start": 0, "end": text.index("The answer"), "kind": "masked"}]
    rows = [{"problem_id": "p", "messages": turns("Say blue.", text), "segments": spans}] * 4
    facts = sft.train(sft_config(write(tmp_path, rows), tmp_path / "o"), show=quiet)
    assert facts["plan"]["n_trained_tokens"] == 4 * 8  # The answer is 4 1 3 . <|im_end|>, split by the tokenizer


def test_lora_trains_few_parameters_and_leaves_an_adapter_and_a_merged_model(tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from tests.train_rows import TEACHER

    config = sft_config(write(tmp_path, sft_rows(8)), tmp_path / "o", learning_rate=1e-2)
    facts = sft.train(config.model_copy(update={"lora": LoraConfig(rank=4, merge=True)}), show=quiet)
    assert facts["n_parameters_trained"] < 60_000
    ids = torch.tensor([[40, 41, 42, 43]])
    base = AutoModelForCausalLM.from_pretrained(TEACHER, dtype=torch.float32)
    plain = base(ids).logits
    adapted = PeftModel.from_pretrained(base, str(tmp_path / "o"))(ids).logits
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "o" / "merged")(ids).logits
    assert torch.allclose(adapted, merged, atol=1e-4)
    assert not torch.allclose(adapted, plain, atol=1e-3)


def test_masked_thought_rises_to_its_share_and_never_touches_the_question(tmp_path):
    config = MaskedThought()
    assert [probability(config, step, 300) for step in (0, 100, 200, 299)] == pytest.approx([0.0, 0.2, 0.4, 0.4])
    labels = torch.tensor([[-100] * 500 + [7] * 500])
    inputs = torch.arange(1000)[None] + 5
    holed = masked_inputs(inputs, labels, 0.4, 1, (0, 3))
    assert torch.equal(holed[:, :500], inputs[:, :500])
    assert 0.3 < float((holed[:, 500:] == 1).float().mean()) < 0.5
    assert torch.equal(holed, masked_inputs(inputs, labels, 0.4, 1, (0, 3)))
    assert not torch.equal(holed, masked_inputs(inputs, labels, 0.4, 1, (0, 4)))


def test_masked_thought_trains_and_goes_on_from_a_checkpoint(tmp_path):
    data = write(tmp_path, sft_rows(8))
    facts = sft.train(sft_config(data, tmp_path / "o", n_steps=4, masked_thought={}), show=quiet)
    assert (facts["method"], facts["result"]["n_steps"]) == ("masked_thought", 4)


def test_bf16_is_saved_as_bf16(tmp_path):
    sft.train(sft_config(write(tmp_path, sft_rows(4)), tmp_path / "o", dtype="bf16"), show=quiet)
    assert {tensor.dtype for tensor in weights(tmp_path / "o").values()} == {torch.bfloat16}
