"""What every method loads and tells TRL: tokenizer, weights, adapters, arguments.

TrainConfig ─┬─> load_tokenizer, end_ids ──> rows to tokens (no weights yet)
             ├─> n_parameters ──> a dry run's count, on torch's meta device
             └─> load_model, peft_config, training_arguments ──> a TRL trainer
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.config import TrainConfig
from trainer.errors import TrainError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NEEDED = ("torch", "trl", "accelerate", "peft", "matplotlib")


def require_trl() -> None:
    """Raises TrainError where a package of the extra is missing."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise TrainError(f"training needs `{missing[0]}`, which is not installed; run `pip install 'laconic[train]'`")


def n_processes() -> int:
    """Processes that train together, as their launcher says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def load_tokenizer(config: TrainConfig) -> "PreTrainedTokenizerBase":
    """The model's tokenizer, with the configuration's chat template where it names one."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(config.model, revision=config.revision or "main")
    except (OSError, ValueError, LookupError) as error:
        reason = str(error).splitlines()[0]
        raise TrainError(f"model: no tokenizer can be loaded from {config.model} ({reason})") from None
    if config.chat_template:
        try:
            tokenizer.chat_template = Path(config.chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TrainError(f"chat_template: {config.chat_template} cannot be read ({error})") from None
    return tokenizer


def end_ids(config: TrainConfig, tokenizer: Any) -> frozenset[int]:
    """Tokens that stop generation, by the tokenizer and by the model's generation settings."""
    from transformers import GenerationConfig

    found = {tokenizer.eos_token_id}
    try:
        ends = GenerationConfig.from_pretrained(config.model, revision=config.revision or "main").eos_token_id
    except OSError:  # a model need not have generation settings
        ends = None
    found |= set(ends) if isinstance(ends, list) else {ends}
    return frozenset(found - {None})


def load_model(config: TrainConfig) -> "PreTrainedModel":
    """The weights, in float32 where they are trained. Under LoRA with bf16 the frozen ones are held in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM

    frozen_in_bf16 = config.lora is not None and config.dtype == "bf16"
    attention = {"attn_implementation": config.execution.attention} if config.execution.attention else {}
    try:
        return AutoModelForCausalLM.from_pretrained(
            config.model,
            revision=config.revision or "main",
            dtype=torch.bfloat16 if frozen_in_bf16 else torch.float32,
            **attention,
        )
    except (OSError, ValueError, ImportError) as error:
        raise TrainError(f"model: {config.model} cannot be loaded ({str(error).splitlines()[0]})") from None


def peft_config(config: TrainConfig) -> Any:
    """PEFT's configuration of the adapters; None where all weights are trained."""
    if config.lora is None:
        return None
    from peft import LoraConfig

    targets = config.lora.target_modules
    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )


def n_parameters(config: TrainConfig) -> tuple[int, int]:
    """Parameters trained and parameters in all, counted without loading a weight."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        architecture = AutoConfig.from_pretrained(config.model, revision=config.revision or "main")
    except (OSError, ValueError) as error:
        raise TrainError(f"model: {config.model} has no readable config ({str(error).splitlines()[0]})") from None
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(architecture)
        if config.lora is not None:
            from peft import get_peft_model

            model = get_peft_model(model, peft_config(config))
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)


def training_arguments(config: TrainConfig, sequences_per_row: int = 1) -> dict[str, Any]:
    """Arguments of transformers' Trainer that all methods share.

    `sequences_per_row`: sequences that one row of the data set becomes, 2 where a row is a pair that counts as two.
    Raises TrainError where the batch cannot be split evenly over the processes.
    """
    try:
        n_accumulated = config.n_accumulated(n_processes())
    except ValueError as error:
        raise TrainError(str(error)) from None
    on_cpu = config.execution.device == "cpu"
    return {
        "output_dir": config.output,
        "seed": config.seed,
        "data_seed": config.seed,
        "max_steps": config.n_steps or -1,
        "num_train_epochs": config.n_epochs,
        "learning_rate": config.learning_rate,
        "warmup_steps": config.warmup,  # below 1: a share of the steps
        "lr_scheduler_type": "constant_with_warmup" if config.schedule == "constant" else config.schedule,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "per_device_train_batch_size": config.micro_batch_size // sequences_per_row,
        "gradient_accumulation_steps": n_accumulated,
        "gradient_checkpointing": config.execution.gradient_checkpointing,
        "bf16": config.dtype == "bf16",
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "save_strategy": "steps" if config.save_every else "no",
        "save_steps": config.save_every or 500,
        "save_total_limit": config.keep_checkpoints,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
    }
