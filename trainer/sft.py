"""Supervised fine-tuning: the student learns the answers token by token, by TRL's SFTTrainer.

    sft rows ───────────> tokens ──┬─ as they are ──────────────────────────> SFTTrainer
                                   ├─ with a weight for each ───────────────> WeightedSFTTrainer
                                   └─ with holes in what is read ───────────> MaskedThoughtTrainer
    preference rows ────> pairs ───── weights 1 and -alpha (REDI) ──────────> WeightedSFTTrainer

Loss on the answer only, never on the question; row weights, masked spans and packing are settled in the tokens.
"""

from dataclasses import replace
from typing import Any

from trainer.checks import SAMPLES, rows_stay_apart
from trainer.config import SftConfig
from trainer.data import DataSet
from trainer.errors import TrainError
from trainer.examples import Examples, redi_examples, sft_examples
from trainer.render import Renderer
from trainer.run import Prepared, Show, dry_run, prepare, run
from trainer.setup import load_model, peft_config, training_arguments
from trainer.token_report import sequences_per_row


def plan(config: SftConfig, show: Show = print) -> dict[str, Any]:
    """The dry run: checks everything but the weights, and says what training would do."""
    return dry_run(config, _method(config), _prepare(config), show)


def train(config: SftConfig, resume: bool = False, show: Show = print) -> dict[str, Any]:
    """Trains and writes model, card and curves to `config.output`; returns the facts of `training.json`."""
    prepared = _prepare(config)
    return run(config, _method(config), prepared, lambda: sft_trainer(config, prepared), resume, show)


def sft_trainer(config: SftConfig, prepared: Prepared) -> Any:
    """The TRL trainer that the configuration asks for, with the weights loaded."""
    from trl import SFTConfig

    from trainer.masked_thought import MaskedThoughtTrainer, mask_id
    from trainer.weighted_sft import WeightedSFTTrainer

    arguments = SFTConfig(
        **training_arguments(config, sequences_per_row(config)),
        max_length=config.max_length,
        packing=config.packing,
        train_sampling_strategy="sequential" if config.order == "position" else "random",
    )
    rows, model = prepared.examples.rows, load_model(config)
    if config.packing:
        _check_packing(model, prepared.tokenizer)
    kind = _trainer_class(config, rows)
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=prepared.tokenizer,
        peft_config=peft_config(config),
    )
    if isinstance(trainer, WeightedSFTTrainer):
        trainer.weigh_by("sequence" if config.redi else config.loss_mean)
    if isinstance(trainer, MaskedThoughtTrainer) and config.masked_thought:
        trainer.mask_with(config.masked_thought, mask_id(config.masked_thought, prepared.tokenizer))
    return trainer


def ordered_examples(data: DataSet, renderer: Renderer, config: SftConfig) -> Examples:
    """Rows in the order that the configuration asks for. Raises TrainError where the set has none."""
    if config.order == "position" and not data.has("position"):
        raise TrainError(
            f"order: {config.data} has no `position` in its {data.n_rows} rows; put the stage `mix` with a "
            "`curriculum` in front of `shard`, or train with `order: shuffled`"
        )
    return sft_examples(data, renderer, config)


def packed_examples(data: DataSet, renderer: Renderer, config: SftConfig) -> Examples:
    """Rows joined to sequences of up to `max_length` tokens (best fit, decreasing), in an order drawn by the seed."""
    from trl import pack_dataset

    examples = sft_examples(data, renderer, config)
    return replace(examples, rows=pack_dataset(examples.rows.shuffle(seed=config.seed), config.max_length, "bfd"))


def _trainer_class(config: SftConfig, rows: Any) -> Any:
    from trainer.masked_thought import MaskedThoughtTrainer
    from trainer.plain_trainers import PlainSFTTrainer
    from trainer.weighted_sft import WeightedSFTTrainer

    if "token_weights" in rows.column_names:
        return WeightedSFTTrainer
    return MaskedThoughtTrainer if config.masked_thought else PlainSFTTrainer


def _check_packing(model: Any, tokenizer: Any) -> None:
    first, second = (tokenizer.encode(text, add_special_tokens=False) for text in SAMPLES[:2])
    if not rows_stay_apart(model, first, second):
        raise TrainError(
            f"packing: the attention of {type(model).__name__} lets packed rows see each other; set "
            "`execution.attention` to a kernel of variable lengths such as `flash_attention_2`, or `packing: false`"
        )


def _prepare(config: SftConfig) -> Prepared:
    if config.redi:
        return prepare(config, "preference", redi_examples)
    prepared = prepare(config, "sft", packed_examples if config.packing else ordered_examples)
    if config.masked_thought and "token_weights" in prepared.examples.rows.column_names:
        raise TrainError("masked_thought: it goes with rows of equal weight only; drop the column `weight`")
    return prepared


def _method(config: SftConfig) -> str:
    return "redi" if config.redi else "masked_thought" if config.masked_thought else "sft"
