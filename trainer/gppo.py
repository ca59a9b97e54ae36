"""GPPO, gradient-preserving clipping (Klear-Reasoner, arXiv 2508.07629): clip-higher that still learns when it clips.

    ratio = pi / pi_old      A > 0: coefficient min(ratio, 1 + eps_high)      A < 0: max(ratio, 1 - eps_low)
    loss = -sg(coefficient) * A * log pi, written so that its value is clip-higher's: -coefficient * A

Clipping throws the gradient of a clipped token away: rare tokens of right answers, and wrong answers that the policy
already left, teach nothing. Here those tokens keep a bounded gradient. Beyond `dual_clip` a wrong token has none. TRL's
`cispo` with epsilon_high 1.28 has the same gradient for A > 0. `nll_coef` adds the paper's likelihood loss on right
rollouts (0.1 in the released runs). Nothing else of TRL's loss is repeated here but the mean over tokens.
"""

from typing import Any

import torch


def gppo_token_loss(
    logps: torch.Tensor,
    old_logps: torch.Tensor,
    advantages: torch.Tensor,
    *,
    epsilon_low: float,
    epsilon_high: float,
    dual_clip: float = 3.0,
) -> torch.Tensor:
    """[B, T] loss of every token; `advantages` [B, 1] or [B, T]. Its gradient reaches `logps` only."""
    ratio = torch.exp(logps.detach() - old_logps)
    coefficient = torch.where(advantages > 0, ratio.clamp(max=1 + epsilon_high), ratio.clamp(min=1 - epsilon_low))
    beyond = (advantages < 0) & (ratio > dual_clip)
    coefficient = torch.where(beyond, torch.full_like(ratio, dual_clip), coefficient)
    value_one = 1 + logps - logps.detach()
    weighted = torch.where(beyond, torch.ones_like(value_one), value_one) * coefficient
    return -weighted * advantages


class GppoLoss:
    """Replaces `_compute_loss` of a GRPO trainer whose `loss_type` is `dapo`; mixed in before it."""

    gppo_dual_clip: float = 3.0
    gppo_nll_coef: float = 0.0

    def _compute_loss(self: Any, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        mask = inputs["completion_mask"]
        mask = mask * inputs["tool_mask"] if "tool_mask" in inputs else mask
        logps, entropies, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1),
            torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1),
            inputs["completion_ids"].size(1),
            compute_entropy=True,
        )
        advantages = inputs["advantages"]
        advantages = advantages.unsqueeze(1) if advantages.dim() == 1 else advantages
        old_logps = inputs.get("old_per_token_logps")
        old_logps = logps.detach() if old_logps is None else old_logps
        loss = gppo_token_loss(
            logps,
            old_logps,
            advantages,
            epsilon_low=self.epsilon_low,
            epsilon_high=self.epsilon_high,
            dual_clip=self.gppo_dual_clip,
        )
        if "importance_sampling_ratio" in inputs:
            loss = loss * inputs["importance_sampling_ratio"]
        if self.gppo_nll_coef:
            loss = loss - self.gppo_nll_coef * inputs["is_correct"].unsqueeze(1) * logps
        self._log_gppo(torch.exp(logps.detach() - old_logps), advantages, entropies, mask)
        return (loss * mask).sum() / self._tokens_of_a_window(inputs)

    def _tokens_of_a_window(self: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """Trained tokens of one optimiser step, as TRL's `dapo` counts them, per process."""
        n_tokens = inputs["num_items_in_batch"].clamp(min=1.0) / self.accelerator.num_processes
        return n_tokens * self.current_gradient_accumulation_steps / self.args.steps_per_generation

    def _log_gppo(
        self: Any, ratio: torch.Tensor, advantages: torch.Tensor, entropies: torch.Tensor, mask: torch.Tensor
    ) -> None:
        low = (ratio < 1 - self.epsilon_low) & (advantages < 0)
        high = (ratio > 1 + self.epsilon_high) & (advantages > 0)
        for name, value in (("entropy", entropies), ("clip_ratio/low_mean", low), ("clip_ratio/high_mean", high)):
            sums = torch.stack([(value.float() * mask).sum(), mask.sum().float()])
            total, n_tokens = self.accelerator.reduce(sums, reduction="sum")
            self._metrics["train"][name].append((total / n_tokens.clamp(min=1.0)).item())
