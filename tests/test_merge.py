"""Merging two models: half of each, tensor by tensor, and what does not fit together is refused."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.train_rows import TEACHER
from trainer.errors import TrainError
from trainer.merge import merge_models


@pytest.fixture
def other(tmp_path):
    """The teacher with every weight raised by 1."""
    return changed(tmp_path / "other", {name: t + 1 for name, t in tensors(TEACHER).items()})


def tensors(folder):
    return load_file(f"{folder}/model.safetensors")


def changed(folder, values):
    shutil.copytree(TEACHER, folder, dirs_exist_ok=True)
    save_file(values, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 1.0])
def test_every_tensor_lies_between_the_two(tmp_path, other, weight):
    facts = merge_models(TEACHER, str(other), tmp_path / "m", weight)
    first, second, merged = tensors(TEACHER), tensors(other), tensors(tmp_path / "m")
    assert facts["n_tensors"] == len(merged) == len(first)
    for name, tensor in merged.items():
        assert tensor.dtype == first[name].dtype
        expected = (weight * first[name].float() + (1 - weight) * second[name].float()).to(tensor.dtype)
        assert torch.equal(tensor, expected)


def test_a_model_merged_with_itself_is_itself_and_can_be_loaded(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merge_models(TEACHER, TEACHER, tmp_path / "m")
    ids = torch.tensor([[40, 41, 42]])
    before = AutoModelForCausalLM.from_pretrained(TEACHER)(ids).logits
    assert torch.equal(before, AutoModelForCausalLM.from_pretrained(tmp_path / "m")(ids).logits)
    assert AutoTokenizer.from_pretrained(tmp_path / "m").chat_template
    assert "0.5 of teacher and 0.5 of teacher" in (tmp_path / "m" / "README.md").read_text()


def test_tensors_of_another_shape_are_counted(tmp_path, other):
    values = tensors(other)
    values["model.norm.weight"] = torch.zeros(3, dtype=torch.bfloat16)
    changed(other, values)
    with pytest.raises(TrainError, match=r"1 of 50 tensors differ in shape, first `model\.norm\.weight`"):
        merge_models(TEACHER, str(other), tmp_path / "m")


def test_tensors_in_one_model_only_are_counted(tmp_path, other):
    values = tensors(other)
    del values["model.norm.weight"]
    changed(other, values)
    with pytest.raises(TrainError, match=r"1 tensors are in one model only"):
        merge_models(TEACHER, str(other), tmp_path / "m")


def test_another_numbering_of_tokens_is_refused(tmp_path, other):
    path = other / "tokenizer.json"
    path.write_text(path.read_text().replace('"<|im_start|>"', '"<|im_begin|>"'))
    with pytest.raises(TrainError, match="number their tokens differently"):
        merge_models(TEACHER, str(other), tmp_path / "m")


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path, other):
    with pytest.raises(TrainError, match="is not empty"):
        merge_models(TEACHER, str(other), other)


@pytest.mark.parametrize("text", ["", "not safetensors"])
def test_a_broken_file_is_refused(tmp_path, other, text):
    (other / "model.safetensors").write_text(text)
    with pytest.raises(TrainError, match="cannot be read"):
        merge_models(TEACHER, str(other), tmp_path / "m")


def test_a_model_in_several_files_keeps_its_files(tmp_path, other):
    import json

    values = tensors(other)
    names = sorted(values)
    parts = {"model-1.safetensors": names[:20], "model-2.safetensors": names[20:]}
    for file, part in parts.items():
        save_file({name: values[name] for name in part}, other / file, metadata={"format": "pt"})
    (other / "model.safetensors").unlink()
    weight_map = {name: file for file, part in parts.items() for name in part}
    (other / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    merge_models(str(other), TEACHER, tmp_path / "m")
    assert sorted(path.name for path in (tmp_path / "m").glob("*.safetensors")) == sorted(parts)
    assert not (tmp_path / "m" / "model.safetensors").exists()


@pytest.mark.slow
def test_adapters_are_merged_exactly(tmp_path):
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    def base():
        return AutoModelForCausalLM.from_pretrained(TEACHER, dtype=torch.float32)

    for name, rank in (("a", 2), ("b", 4)):
        torch.manual_seed(rank)
        model = get_peft_model(base(), LoraConfig(r=rank, target_modules=["q_proj"], init_lora_weights=False))
        model.save_pretrained(tmp_path / name)
    merge_models(str(tmp_path / "a"), str(tmp_path / "b"), tmp_path / "m", 0.25)
    models = (PeftModel.from_pretrained(base(), str(tmp_path / name)) for name in ("m", "a", "b"))
    merged, a, b = (model.merge_and_unload().state_dict() for model in models)
    for name, tensor in merged.items():
        assert torch.allclose(tensor, 0.25 * a[name] + 0.75 * b[name], atol=1e-5)


def test_an_adapter_and_a_model_are_refused(tmp_path, other):
    (other / "adapter_config.json").write_text("{}")
    with pytest.raises(TrainError, match="one of the two is an adapter"):
        merge_models(TEACHER, str(other), tmp_path / "m")
