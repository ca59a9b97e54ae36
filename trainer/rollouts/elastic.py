"""Elastic Reasoning: a thought with its own limit, closed by force, then a solution with its own limit.

    prompt ──at most think tokens──> closed or ended by the model ─────────────┐
                                 └─> cut at its limit ──> end tag put behind it ─┴─> at most solution tokens

Source: Xu et al., Scalable Chain of Thoughts via Elastic Reasoning (arXiv 2505.05315), section 3. The injected tag has
`env_mask` 0: it gets no loss and does not count as length (the released code trains it; masking is cleaner). A row's
budget, where it has one, is its own limit for the thought. Generation runs to the largest limit of the batch and a
longer thought is cut, which gives the same distribution as stopping there and costs what the longest costs anyway.
Both phases go through the trainer's own generation, so vLLM serves them too (written for it, not run here on a GPU).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from trainer.errors import TrainError
from trainer.group_view import Floats
from trainer.rollouts.rollout import Generate, Opening, RolloutPolicy, Row


class Elastic(RolloutPolicy):
    rollout: Literal["elastic"] = "elastic"

    think_tokens: int = Field(ge=1)
    """Tokens of the thought, its end tag included, where the row has no budget; the paper trains with 1,024."""
    solution_tokens: int = Field(ge=1)
    """Tokens of the solution; the paper trains with 1,024."""
    end_tag: str = "</think>"
    """What ends a thought: one token of the model's tokenizer."""

    def assign(self, row: Row, budgets: Floats) -> list[Opening]:
        return [Opening()] * len(budgets)

    def max_new_tokens(self) -> int:
        return self.think_tokens + 1 + self.solution_tokens

    def generate(self, budgets: Callable[[], Sequence[float]]) -> Generate | None:
        def rollouts(prompts: list[str], trainer: Any) -> dict[str, Any]:
            limits = [self.think_tokens if np.isnan(b) else min(int(b), self.think_tokens) for b in budgets()]
            return two_phases(trainer, prompts, [max(limit, 1) for limit in limits], self)

        return rollouts


@dataclass
class Phase:
    """Tokens of one completion so far, with the loss mask and, from vLLM, the log-probabilities of sampling."""

    ids: list[int]
    mask: list[int]
    logps: list[float]
    is_over: bool
    """The model has ended its turn inside the thought."""


def two_phases(trainer: Any, prompts: list[str], limits: Sequence[int], elastic: Elastic) -> dict[str, Any]:
    """TRL's rollout dictionary for prompts that are already repeated G times."""
    end_id = end_tag_id(trainer.processing_class, elastic.end_tag)
    prompt_ids = trainer.processing_class(text=prompts)["input_ids"]
    with generating(trainer, max(limits), [*trainer.eos_token_ids, end_id]):
        thoughts, logps = trainer._generate_single_turn(prompt_ids, None, {}, 1)
    phases = [
        think_phase(ids, None if logps is None else logps[place], limits[place], end_id, trainer.eos_token_ids)
        for place, ids in enumerate(thoughts)
    ]
    # Every process generates for all its prompts, also for those that are over: vLLM's server mode and sharded models
    # need equal numbers of calls and prompts on all of them.
    continued = [ids + phase.ids for ids, phase in zip(prompt_ids, phases, strict=True)]
    with generating(trainer, elastic.solution_tokens, trainer.eos_token_ids):
        solutions, logps = trainer._generate_single_turn(continued, None, {}, 1)
    for place, phase in enumerate(phases):
        if not phase.is_over:
            phase.ids += solutions[place]
            phase.mask += [1] * len(solutions[place])
            phase.logps += [0.0] * len(solutions[place]) if logps is None else logps[place]
    return {
        "prompt_ids": prompt_ids,
        "completion_ids": [phase.ids for phase in phases],
        "logprobs": None if logps is None else [phase.logps for phase in phases],
        "env_mask": [phase.mask for phase in phases],
        "n_trained": [sum(phase.mask) for phase in phases],
    }


def think_phase(
    ids: Sequence[int], logps: Sequence[float] | None, limit: int, end_id: int, eos_ids: Sequence[int]
) -> Phase:
    """A thought within its limit: as it is if the model closed it or ended its turn, else cut and closed."""
    kept = list(ids[:limit])
    logps = [0.0] * len(kept) if logps is None else list(logps[:limit])
    is_over = bool(kept) and kept[-1] in eos_ids
    if is_over or (kept and kept[-1] == end_id):
        return Phase(kept, [1] * len(kept), logps, is_over)
    # A finite log-probability for the injected token: a missing one would become NaN in the importance ratio.
    return Phase([*kept, end_id], [1] * len(kept) + [0], [*logps, 0.0], False)


def end_tag_id(tokenizer: Any, end_tag: str) -> int:
    """The one token of the end tag. Raises TrainError."""
    ids = tokenizer(end_tag, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise TrainError(f"rollout `elastic`: {end_tag!r} is {len(ids)} tokens for this model and must be one; add it")
    return int(ids[0])


@contextmanager
def generating(trainer: Any, max_new_tokens: int, stop_ids: Sequence[int]) -> Iterator[None]:
    """Other limits for the trainer's generation, put back afterwards. TRL reads them anew at every call."""
    eos_ids = trainer.eos_token_ids
    target, name, old = _limit_of(trainer)
    kept_kwargs = trainer.vllm_generation.generation_kwargs if trainer.use_vllm else None
    trainer.eos_token_ids = list(stop_ids)
    setattr(target, name, max_new_tokens)
    if trainer.use_vllm:
        trainer.vllm_generation.generation_kwargs = {**(kept_kwargs or {}), "stop_token_ids": list(stop_ids)}
    else:
        trainer.generation_config.eos_token_id = list(stop_ids)
    try:
        yield
    finally:
        trainer.eos_token_ids = eos_ids
        setattr(target, name, old)
        if trainer.use_vllm:
            trainer.vllm_generation.generation_kwargs = kept_kwargs
        else:
            trainer.generation_config.eos_token_id = eos_ids


def _limit_of(trainer: Any) -> tuple[Any, str, int]:
    """Where the limit of new tokens stands, and its value."""
    if trainer.use_vllm:
        return trainer.vllm_generation, "max_completion_length", trainer.vllm_generation.max_completion_length
    return trainer.generation_config, "max_new_tokens", trainer.generation_config.max_new_tokens
