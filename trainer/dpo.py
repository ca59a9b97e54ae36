"""Direct preference optimisation on pairs, by TRL's DPOTrainer: whole answers, or single steps.

    preference rows ── trainer.examples ──> prompt_ids, chosen_ids, rejected_ids ──> DPOTrainer

Kimi's and AdaR1's pairs prefer the shorter right answer; `ld_alpha` (LD-DPO) weighs what is longer than the other
answer down. Step-DPO (Lai et al., arXiv 2406.18629) prefers one step after a prefix: its prompt is the question and
the prefix, and no end token follows a step. TRL's own preparation renders the prompt without a prefix or appends that
token, and cuts at `max_length`, so the rows come tokenised by the same code as those of SFT.
"""

from typing import Any

from trainer.config import DpoConfig
from trainer.examples import pair_examples
from trainer.run import Prepared, Show, dry_run, prepare, run
from trainer.setup import load_model, peft_config, training_arguments

METHOD = "dpo"


def plan(config: DpoConfig, show: Show = print) -> dict[str, Any]:
    """The dry run: checks everything but the weights, and says what training would do."""
    return dry_run(config, METHOD, prepare(config, "preference", pair_examples), show)


def train(config: DpoConfig, resume: bool = False, show: Show = print) -> dict[str, Any]:
    """Trains and writes model, card and curves to `config.output`; returns the facts of `training.json`."""
    prepared = prepare(config, "preference", pair_examples)
    return run(config, METHOD, prepared, lambda: dpo_trainer(config, prepared), resume, show)


def dpo_trainer(config: DpoConfig, prepared: Prepared) -> Any:
    """The TRL trainer, with the weights loaded. A full fine-tuning holds the reference model beside the student."""
    from trl import DPOConfig

    from trainer.plain_trainers import PairTrainer

    arguments = DPOConfig(
        **training_arguments(config),
        max_length=config.max_length,
        beta=config.beta,
        loss_type=list(config.loss_type),
        loss_weights=list(config.loss_weights) or None,
        label_smoothing=config.label_smoothing,
        ld_alpha=config.ld_alpha,
        precompute_ref_log_probs=config.precompute_ref_log_probs,
    )
    return PairTrainer(
        model=load_model(config),
        args=arguments,
        train_dataset=prepared.examples.rows,
        processing_class=prepared.tokenizer,
        peft_config=peft_config(config),
    )
