"""TRL's GRPO trainer with our sampler, prompts, rewards and advantages: four short overrides.

    rows ──ChunkSampler──> inputs ──openings, budgets──> prompts ──TRL──> completions ──RewardOfGroups──> Scored
                 ^                                                                                        │
                 └──────── pass rates, budget state, reward log <──gathered view── AdvantageChain ────────┴──> loss

What is relative to a group is finished before TRL shuffles the batch. TRL's own advantages are replaced; its loss
takes one number per completion or per token. Importing this module imports TRL, which imports vLLM where it is there.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from datasets import Dataset

from trainer.advantages import AdvantageChain
from trainer.errors import TrainError
from trainer.gppo import GppoLoss
from trainer.group_view import Floats
from trainer.grpo_config import GrpoConfig
from trainer.grpo_reward import RewardOfGroups, Scored, Task, reference_n_tokens
from trainer.grpo_state import KeepsState
from trainer.outcome import OutcomeJudge, shares
from trainer.pass_rates import PassRateStore
from trainer.reward import GroupReward
from trainer.reward_log import RewardLogWriter
from trainer.rl_rows import RlRows
from trainer.rollouts.prompts import Renderer
from trainer.samplers import ChunkSampler
from trainer.setup import end_ids, load_model, n_processes, peft_config, training_arguments
from trainer.step_scores import StepAudit

with warnings.catch_warnings():
    # TRL imports vLLM where it is installed, whether or not a run uses it, and both have things to say about versions.
    warnings.simplefilter("ignore")
    from trl import GRPOConfig, GRPOTrainer


class ConciseGRPOTrainer(GRPOTrainer):
    """Trains on whole groups with rewards and advantages of our own."""

    def __init__(self, config: GrpoConfig, rows: RlRows, renderer: Renderer, tokenizer: Any, n_steps: int) -> None:
        self.config, self.rows, self.renderer = config, rows.rows, renderer
        self.store = PassRateStore([row["problem_id"] for row in rows.rows], config.success_memory)
        self.store.start_from(rows.facts.pass_rates, rows.pass_ns, config.n_rollouts)
        self.reward = GroupReward(config.rewards, config.budget, config.max_completion_tokens)
        self.chain = AdvantageChain(config.shapers)
        self.judge = OutcomeJudge(config.verify_timeout_s, config.n_verify_threads)
        arguments = grpo_arguments(config, n_steps)
        self.score = self._reward_of_groups(end_ids(config, tokenizer), tokenizer, arguments.process_index)
        super().__init__(
            model=load_model(config),
            reward_funcs=self.score,  # type: ignore[arg-type]  # floats, as TRL wants them
            args=arguments,
            train_dataset=Dataset.from_dict({"place": list(range(len(rows.rows))), "prompt": [""] * len(rows.rows)}),
            processing_class=tokenizer,
            peft_config=peft_config(config),
        )
        self.chunks = self._chunk_sampler(rows, n_steps)
        self.n_tokens_trained = 0
        self.log_writer = RewardLogWriter(Path(config.output))
        # Set here, not by the argument, which TRL meets with a warning: it is called with the prompts of this process,
        # each repeated G times (its documentation says they come once).
        self.rollout_func = config.rollout.generate(lambda: [task.budget for task in self.score.tasks])
        self.gppo_dual_clip, self.gppo_nll_coef = config.gppo.dual_clip, config.gppo.nll_coef
        self.add_callback(KeepsState(self))

    def _get_train_sampler(self, dataset: Dataset | None = None) -> ChunkSampler:
        return self.chunks

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.score.tasks = self._tasks([self.rows[one["place"]] for one in inputs])
        output = super()._generate_and_score_completions([{"prompt": task.prompt} for task in self.score.tasks])
        scored = self._checked_scored()
        advantages = self.chain.advantages(scored.rewards, scored.view, self._mean_logps(output))
        output["advantages"] = self._own_part(advantages, output["completion_ids"])
        output["is_correct"] = self._own_part(scored.view.correct.reshape(-1).astype(float), output["completion_ids"])
        self._learn_from(scored, advantages, int(output["num_items_in_batch"]))
        return output

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> torch.Tensor:
        self.gathered_rewards = super()._calculate_rewards(*arguments, **named)
        return self.gathered_rewards

    def _generate_single_turn(
        self, prompt_ids: Any, images: Any, multimodal_fields: Any, num_generations: int, has_tool_images: Any = False
    ) -> Any:
        """vLLM's server mode samples only every `num_generations`-th prompt, so unequal prompts go one by one."""
        if self.config.rollout.is_heterogeneous:
            num_generations = 1
        return super()._generate_single_turn(prompt_ids, images, multimodal_fields, num_generations, has_tool_images)

    def _send_telemetry(self) -> None:
        """TRL reports model type and device to its makers; a student's data set is nobody's business."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """`trainer.model_card` writes the card, once, at the end."""

    def _reward_of_groups(self, ends: frozenset[int], tokenizer: Any, process_index: int) -> RewardOfGroups:
        return RewardOfGroups(
            reward=self.reward,
            store=self.store,
            judge=self.judge,
            rollout=self.config.rollout,
            decode=lambda ids: tokenizer.decode(ids, skip_special_tokens=False),
            end_ids=ends,
            n_rollouts=self.config.n_rollouts,
            max_tokens=self.config.max_completion_tokens,
            gather=gather_object,
            process_index=process_index,
            score_steps=StepAudit(tokenizer) if self.chain.needs_steps else None,
        )

    def _chunk_sampler(self, rows: RlRows, n_steps: int) -> ChunkSampler:
        return ChunkSampler(
            self.config.sampler,
            rows.facts,
            self.store,
            n_prompts=self.config.n_prompts,
            n_rollouts=self.config.n_rollouts,
            n_repeats=self.num_iterations * self.args.gradient_accumulation_steps,
            n_chunks=math.ceil(n_steps / self.num_iterations),
            seed=self.config.seed,
        )

    def _tasks(self, rows: Sequence[dict[str, Any]]) -> list[Task]:
        """What is asked of this process: whole groups, each member with its own opening and budget."""
        groups = rows[:: self.config.n_rollouts]
        row_ids = [row["problem_id"] for row in groups]
        reference = np.array([reference_n_tokens(row) for row in groups])
        budgets = self.reward.budgets(
            row_ids, self.store.rates_of(row_ids), self.config.n_rollouts, self.state.global_step, reference
        )
        tasks = []
        for row, of_group in zip(groups, budgets, strict=True):
            for opening, budget in zip(self.config.rollout.assign(row, of_group), of_group, strict=True):
                prompt = self.renderer.prompt(row, opening)
                tasks.append(Task(row, prompt.text, prompt.opened, opening, float(budget)))
        return tasks

    def _checked_scored(self) -> Scored:
        """The batch, if TRL gathered the rewards in the order in which we built the groups."""
        scored = self.score.scored
        assert scored is not None
        ours = torch.tensor(scored.rewards.reshape(-1), dtype=torch.float32, device=self.gathered_rewards.device)
        if not torch.allclose(self.gathered_rewards[:, 0], ours):
            raise ValueError("TRL gathered the rewards in another order than that of the groups")
        return scored

    def _own_part(self, values: Floats, completion_ids: torch.Tensor) -> torch.Tensor:
        """This process's rows of [P*G] or [P*G, T], with T cut or filled to the width of its own padding."""
        n_rows, width = completion_ids.shape
        own = values[self.args.process_index * n_rows :][:n_rows]
        if own.ndim == 2:
            own = np.pad(own[:, :width], ((0, 0), (0, max(0, width - own.shape[1]))))
        return torch.tensor(own, dtype=torch.float32, device=completion_ids.device)

    def _mean_logps(self, output: dict[str, Any]) -> Floats | None:
        """[P, G] mean log-probability of a token under the policy before the step, where a shaper asks for it."""
        if not self.chain.needs_logps:
            return None
        mask = output["completion_mask"] * output.get("tool_mask", 1)
        logps = output.get("old_per_token_logps")
        if logps is None:
            with torch.no_grad():
                logps, _, _ = self._get_per_token_logps_and_entropies(
                    self.model,
                    torch.cat([output["prompt_ids"], output["completion_ids"]], dim=1),
                    torch.cat([output["prompt_mask"], output["completion_mask"]], dim=1),
                    output["completion_ids"].size(1),
                    batch_size=self.args.per_device_train_batch_size,
                )
        means = (logps * mask).sum(1) / mask.sum(1).clamp(min=1)
        return self.accelerator.gather(means).double().cpu().numpy().reshape(-1, self.config.n_rollouts)

    def _learn_from(self, scored: Scored, advantages: Floats, n_tokens: int) -> None:
        """Pass rates, budget state, reward log and metrics, from the gathered view."""
        view = scored.view
        self.store.update(view.row_ids, view.correct)
        self.reward.observe(view)
        if self.accelerator.is_main_process:
            self.log_writer.add(self.state.global_step + 1, view, scored.rewards)
        self.n_tokens_trained += n_tokens * self.num_iterations
        is_silent = (advantages.reshape(len(view.row_ids), -1) == 0).all(axis=1)
        said = {
            "accuracy": view.correct.mean(),
            "n_completion_tokens": view.n_tokens.mean(),
            "share/truncated": view.truncated.mean(),
            "share/formatted": view.formatted.mean(),
            "share/mixed_groups": ((view.accuracy > 0) & (view.accuracy < 1)).mean(),
            "share/silent_groups": is_silent.mean(),
        }
        said |= {f"reward/{name}": part.mean() for name, part in scored.parts.items()}
        said |= {f"outcome/{name}": share for name, share in shares(scored.judged).items()}
        said |= {f"mode/{name}": (view.modes == name).mean() for name in np.unique(view.modes) if name}
        if not np.isnan(view.budgets).all():
            said["budget"] = float(np.nanmean(view.budgets))
        for name, value in said.items():
            self._metrics["train"][name].append(float(value))
        self._metrics["train"]["n_tokens_trained"] = [self.n_tokens_trained]  # a sum so far, never a mean of steps


class GppoTrainer(GppoLoss, ConciseGRPOTrainer):
    """The same with GPPO's loss."""


def grpo_arguments(config: GrpoConfig, n_steps: int) -> GRPOConfig:
    """TRL's arguments. Raises TrainError where groups would be split between processes."""
    try:
        config.check_whole_groups(n_processes())
    except ValueError as error:
        raise TrainError(str(error)) from None
    return GRPOConfig(
        **training_arguments(config) | {"max_steps": n_steps, "logging_steps": config.log_every},
        num_generations=config.n_rollouts,
        max_completion_length=config.max_completion_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        loss_type="dapo" if config.loss == "gppo" else config.loss,
        epsilon=config.epsilon_low,
        # cispo's upper bound is the cap of the ratio itself
        epsilon_high=1 + config.epsilon_high if config.loss == "cispo" else config.epsilon_high,
        beta=config.beta,
        entropy_coef=config.entropy_coef,
        num_iterations=config.n_iterations,
        mask_truncated_completions=config.masks_truncated,
        scale_rewards="none",  # ours are the advantages
        shuffle_dataset=False,  # ours is the order
        disable_dropout=True,
        **vllm_arguments(config),
    )


def vllm_arguments(config: GrpoConfig) -> dict[str, Any]:
    if config.vllm is None:
        return {}
    vllm = config.vllm
    return {
        "use_vllm": True,
        "vllm_mode": vllm.mode,
        "vllm_gpu_memory_utilization": vllm.gpu_memory_utilization,
        "vllm_tensor_parallel_size": vllm.tensor_parallel_size,
        "vllm_enable_sleep_mode": vllm.sleeps,
        "vllm_max_model_length": config.max_length,
        "vllm_server_base_url": vllm.server_url or None,
        "vllm_importance_sampling_mode": vllm.importance_mode,
        "vllm_importance_sampling_clip_max": vllm.importance_cap,
    }
