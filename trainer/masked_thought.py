"""Masked Thought: a rising share of the answer's input tokens is replaced by a mask token, the labels stay.

    step ── probability ──> p ── masked_inputs ──> input_ids with holes in the answer, none in the question

Chen et al., "Masked Thought: Simply Masking Partial Reasoning Steps Can Improve Mathematical Reasoning Learning"
(arXiv 2403.02178): p rises linearly over the first two thirds of the training to 0.4. The noise has to erase meaning;
synonyms did not help. Each draw depends on the seed, the step and the micro-batch alone, so that a run that goes on
from a checkpoint sees the same holes; a collator, which prefetches, could not know the step.
"""

from typing import Any

import numpy as np
import torch
from trl import SFTTrainer

from trainer.bookkeeping import Bookkeeping
from trainer.config import MaskedThought
from trainer.errors import TrainError


def probability(config: MaskedThought, step: int, n_steps: int) -> float:
    """Share of tokens masked at a step, counted from 0, of `n_steps`."""
    return config.max_probability * min(1.0, step / max(1.0, config.rise * n_steps))


def masked_inputs(
    input_ids: torch.Tensor, labels: torch.Tensor, share: float, mask_id: int, seed: tuple[int, ...]
) -> torch.Tensor:
    """`input_ids` with about `share` of the tokens that have a label replaced by `mask_id`."""
    drawn = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).random(tuple(input_ids.shape))
    holes = torch.from_numpy(drawn < share).to(input_ids.device) & (labels != -100)
    return input_ids.masked_fill(holes, mask_id)


def mask_id(config: MaskedThought, tokenizer: Any) -> int:
    """The token put in the holes. Raises TrainError for one that the tokenizer does not have."""
    name = config.mask_token or tokenizer.mask_token or tokenizer.pad_token or tokenizer.eos_token
    if name not in tokenizer.get_vocab():
        raise TrainError(f"masked_thought: the tokenizer has no token {name!r}; name another as `mask_token`")
    return tokenizer.get_vocab()[name]


class MaskedThoughtTrainer(Bookkeeping, SFTTrainer):
    """SFTTrainer whose student reads its answers with holes."""

    def mask_with(self, config: MaskedThought, token_id: int) -> None:
        self._masking, self._mask_id = config, token_id
        self._at_step, self._micro_batch = -1, 0

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        step = self.state.global_step
        self._micro_batch = self._micro_batch + 1 if step == self._at_step else 0
        self._at_step = step
        share = probability(self._masking, step, self.state.max_steps)
        seed = (self.args.seed, step, self._micro_batch, self.args.process_index)
        holed = masked_inputs(inputs["input_ids"], inputs["labels"], share, self._mask_id, seed)
        return super().compute_loss(model, {**inputs, "input_ids": holed}, *args, **kwargs)
