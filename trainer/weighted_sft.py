"""SFT with a weight for each token: row weights, REDI, per-row means; one trainer for them all.

    L = -sum_t w_t log pi(y_t) / n      n = tokens with a loss, or rows, of the whole optimiser step

A row's weight and its mask are in w already (`trainer.examples.token_weights`), so a packed batch needs nothing more.
REDI (arXiv 2505.24850) is w = 1/|y_w| on the chosen and -alpha/|y_l| on the rejected trace, without a
reference model; both members of a pair stand in one row of the data set and so in one batch.

The trap: transformers divides a loss by the accumulation steps unless `loss_is_scaled_for_ga` is true. A mean over the
micro-batch with the attribute true makes the gradient grow with the steps; a sum over the step's own count with the
attribute false makes it shrink. Here n is counted over the whole step, so 1 x 8 and 2 x 4 rows give one gradient.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import pad
from trl import SFTTrainer

from trainer.bookkeeping import Bookkeeping, n_rows, n_trained_tokens


class WeightedSFTTrainer(Bookkeeping, SFTTrainer):
    """SFTTrainer on rows with a column `token_weights`."""

    loss_is_scaled_for_ga = True  # type: ignore[assignment]
    per_sequence = True
    """Divides by rows; false divides by tokens with a loss."""

    def weigh_by(self, loss_mean: str) -> None:
        """Takes over the mean of the configuration and puts the collator for weights in place of TRL's."""
        self.per_sequence = loss_mean == "sequence"
        self.data_collator = WeightedCollator(self.data_collator)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        n_tokens = super()._get_num_items_in_batch(batch_samples, device)
        if not self.per_sequence:
            return n_tokens
        n_sequences = torch.tensor([sum(n_rows(batch) for batch in batch_samples)], device=device)
        return self.accelerator.gather(n_sequences).sum()

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        weights = inputs.pop("token_weights")
        n = self._count(inputs) if num_items_in_batch is None else num_items_in_batch
        outputs = model(**inputs, use_cache=False, fused_lm_head=True)
        loss = weighted_loss(outputs.log_probs, weights) / torch.as_tensor(n).clamp(min=1)
        positive = weights[:, 1:] > 0
        n_right = self.accelerator.gather((outputs.is_top1.bool() & positive).sum()[None]).sum()
        n_positive = self.accelerator.gather(positive.sum()[None]).sum().clamp(min=1)
        self._metrics["train" if model.training else "eval"]["mean_token_accuracy"].append(
            (n_right / n_positive).item()
        )
        loss = loss * self.accelerator.num_processes  # DDP takes the mean of the processes' gradients
        return (loss, outputs) if return_outputs else loss

    def _count(self, batch: dict[str, Any]) -> int:
        """What one micro-batch alone is divided by, where no step is counted."""
        return n_rows(batch) if self.per_sequence else n_trained_tokens(batch)


def weighted_loss(log_probs: torch.Tensor, token_weights: torch.Tensor) -> torch.Tensor:
    """-sum of weight times log-probability. `log_probs` [B, T-1] belong to the tokens from the second on, of T."""
    return -(log_probs * token_weights[:, 1:]).sum()


class WeightedCollator:
    """Wraps TRL's collator: takes pairs apart and adds `token_weights`, padded or joined as the tokens are."""

    def __init__(self, collator: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> None:
        self._collator = collator

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        sequences = [sequence for row in rows for sequence in _sequences(row)]
        weights = [torch.tensor(sequence.pop("token_weights"), dtype=torch.float32) for sequence in sequences]
        batch = self._collator(sequences)
        n_tokens = batch["input_ids"].shape[1]
        if len(batch["input_ids"]) < len(weights):  # padding-free: all in one sequence
            weights = [torch.cat(weights)]
        batch["token_weights"] = torch.stack([pad(each, (0, n_tokens - len(each))) for each in weights])
        return batch


def _sequences(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row itself, or the members of the pair that it holds."""
    if not row["input_ids"] or not isinstance(row["input_ids"][0], list):
        return [dict(row)]
    return [dict(zip(row, member, strict=True)) for member in zip(*row.values(), strict=True)]
