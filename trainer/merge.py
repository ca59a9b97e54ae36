"""Linear merge of two models: a long reasoner and a short one give one in between, without any training.

    folders of safetensors ── tensor by tensor: w A + (1 - w) B, in float32 ──> shards in A's dtype, A's other files
    folders of adapters ───── PEFT's add_weighted_adapter ────────────────────> one adapter on the same base

Source: Kimi k1.5 (arXiv 2501.12599, "model merging": the plain average of a long-CoT and a short-CoT
model). Adapters are joined with the combination `cat`, whose product is exactly w A1 B1 + (1 - w) A2 B2, at a rank that
is the sum of both; `linear` would merge the factors and not their products.

One tensor of each model is in memory at a time, besides the shard that is being written. Not covered: models of
different sizes or vocabularies, and weights that are not safetensors.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import TrainError

if TYPE_CHECKING:
    import torch

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
ADAPTER = "adapter_config.json"
WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")


def merge_models(model_a: str, model_b: str, output: str | Path, weight: float = 0.5) -> dict[str, Any]:
    """Writes `weight` of model A and the rest of model B to `output`; two models, or two adapters of one base.

    Raises TrainError where the two do not fit together or the folder is not empty.
    """
    target = Path(output)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise TrainError(f"OUTPUT: {target} is not empty; name a new folder")
    folder_a, folder_b = _folder(model_a), _folder(model_b)
    adapters = [(folder / ADAPTER).is_file() for folder in (folder_a, folder_b)]
    if any(adapters) and not all(adapters):
        raise TrainError("merge: one of the two is an adapter and the other a model; merge the adapter into its base")
    merged = _merge_adapters if all(adapters) else _merge_weights
    facts = {"models": [_name(model_a), _name(model_b)], "weight": weight}
    facts |= {"n_tensors": merged(folder_a, folder_b, target, weight)}
    (target / "README.md").write_text(_card(facts, target.name), encoding="utf-8")
    (target / "merge.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


def _folder(model: str) -> Path:
    """The model's files on this machine, fetched from the Hub where `model` is no folder."""
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, ignore_patterns=["*.bin", "*.gguf", "*.pth"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TrainError(f"merge: {model} is neither a folder nor a model on the Hub ({reason})") from None


def _merge_weights(folder_a: Path, folder_b: Path, target: Path, weight: float) -> int:
    from safetensors.torch import save_file

    places_a, places_b = _places(folder_a), _places(folder_b)
    _check_fit(folder_a, places_a, folder_b, places_b)
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(set(places_a.values())):
        names = [name for name, place in places_a.items() if place == file]
        merged = {name: _mixed(_tensor(file, name), _tensor(places_b[name], name), weight) for name in names}
        save_file(merged, target / file.name, metadata={"format": "pt"})
    for path in folder_a.iterdir():
        if path.is_file() and path.suffix not in WEIGHTS and path.name != "README.md":
            shutil.copy(path, target / path.name)
    return len(places_a)


def _places(folder: Path) -> dict[str, Path]:
    """The file of each tensor."""
    from safetensors import SafetensorError, safe_open

    if (folder / INDEX).is_file():
        places: Mapping[str, str] = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
        return {name: folder / file for name, file in places.items()}
    if not (folder / SINGLE).is_file():
        raise TrainError(f"merge: {folder} holds no `{SINGLE}`; save the model as safetensors first")
    try:
        with safe_open(folder / SINGLE, framework="pt") as file:
            return dict.fromkeys(file.keys(), folder / SINGLE)
    except SafetensorError as error:
        raise TrainError(f"merge: {folder / SINGLE} cannot be read ({error})") from None


def _check_fit(folder_a: Path, places_a: dict[str, Path], folder_b: Path, places_b: dict[str, Path]) -> None:
    if only := sorted(set(places_a) ^ set(places_b)):
        raise TrainError(f"merge: {len(only)} tensors are in one model only, first `{only[0]}`; they differ in kind")
    other = [name for name in sorted(places_a) if _shape(places_a[name], name) != _shape(places_b[name], name)]
    if other:
        raise TrainError(f"merge: {len(other)} of {len(places_a)} tensors differ in shape, first `{other[0]}`")
    if _vocabulary(folder_a) != _vocabulary(folder_b):
        raise TrainError("merge: the tokenizers number their tokens differently, so the embeddings do not fit")


def _shape(file: Path, name: str) -> tuple[int, ...]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return tuple(opened.get_slice(name).get_shape())


def _tensor(file: Path, name: str) -> "torch.Tensor":
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return opened.get_tensor(name)


def _mixed(a: "torch.Tensor", b: "torch.Tensor", weight: float) -> "torch.Tensor":
    """In float32, so that bfloat16 is rounded once; integers, such as position buffers, are the first model's."""
    if not a.is_floating_point():
        return a
    return (weight * a.float() + (1 - weight) * b.float()).to(a.dtype).contiguous()


def _vocabulary(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    return Tokenizer.from_file(str(path)).get_vocab() if path.is_file() else {}


def _merge_adapters(folder_a: Path, folder_b: Path, target: Path, weight: float) -> int:
    import torch
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM

    bases = [PeftConfig.from_pretrained(str(folder)).base_model_name_or_path for folder in (folder_a, folder_b)]
    if bases[0] != bases[1]:
        raise TrainError(f"merge: the adapters belong to different models, {bases[0]} and {bases[1]}")
    base: Any = AutoModelForCausalLM.from_pretrained(bases[0], dtype=torch.float32)
    model = PeftModel.from_pretrained(base, str(folder_a), adapter_name="a")
    model.load_adapter(str(folder_b), adapter_name="b")
    model.add_weighted_adapter(["a", "b"], [weight, 1 - weight], adapter_name="merged", combination_type="cat")
    model.save_pretrained(str(target), selected_adapters=["merged"])
    for path in (target / "merged").iterdir():  # PEFT puts an adapter with a name into a folder of that name
        path.rename(target / path.name)
    (target / "merged").rmdir()
    return sum("merged" in name for name, _ in model.named_parameters())


def _name(model: str) -> str:
    return Path(model).name if Path(model).exists() else model


def _card(facts: dict[str, Any], name: str) -> str:
    first, second = facts["models"]
    share = facts["weight"]
    return (
        f"---\ntags:\n- laconic\n- merge\n---\n# {name}\n\n{share:g} of {first} and {1 - share:g} of {second}, "
        "tensor by tensor (the long2short merge of Kimi k1.5). Nothing was trained; `merge.json` says the same.\n"
    )
