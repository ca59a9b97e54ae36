"""What a GRPO run is: the fields of every training run, and rollouts, rewards, advantages, sampler and loss.

    grpo.yaml ── read_config(GrpoConfig, path) ──> GrpoConfig, checked as a whole ──> trainer.grpo.train

TRL's defaults that would hurt in silence have no default here or another one: completions end at 512 tokens,
advantages are divided by the group's own spread (which cancels small length weights), the data is shuffled (which
undoes a curriculum), sequence-level masks drop whole long completions under vLLM. vLLM's two modes go to TRL as they
are; they were not run here on a GPU.
"""

from typing import Literal

from pydantic import Field, model_validator

from trainer.advantages import AnyShaper, composition_problems
from trainer.config import Part, TrainConfig
from trainer.reward import AnyBudget, AnyTerm
from trainer.rollouts import AnyRollout, Plain
from trainer.samplers import AnyRule, Prioritised
from trainer.shapers.normalise import Normalise


class VllmConfig(Part):
    """Generation by vLLM, through TRL, whose version 1.16 names vLLM 0.22 to 0.31 as its range.

    `colocate` is tested with 0.32 on a CPU, not on a GPU. The engine is in the type of the model's config, bfloat16 for
    float32, whatever `dtype` says. `server`, which expects `vllm serve MODEL` with weight transfer and processed
    log-probabilities (see TRL's pages), was not run.
    """

    mode: Literal["colocate", "server"] = "colocate"
    """`colocate`: an engine in each training process; `server`: one engine elsewhere, over HTTP."""
    gpu_memory_utilization: float = Field(default=0.3, gt=0, le=1)
    """colocate: share of the GPU's memory for the engine."""
    tensor_parallel_size: int = Field(default=1, ge=1)
    """colocate: GPUs of one engine."""
    sleeps: bool = False
    """colocate: gives the engine's memory back while weights are trained."""
    server_url: str = ""
    """server: base URL; empty takes TRL's default host and port."""
    importance_mode: Literal["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] = "token_truncate"
    """Correction for the engine's other arithmetic. TRL's own default masks a whole completion at once."""
    importance_cap: float = Field(default=3.0, gt=0)
    """Largest ratio of the two probabilities."""


class GppoConfig(Part):
    """Settings of `loss: gppo`."""

    dual_clip: float = Field(default=3.0, gt=1)
    """Ratio beyond which a token of a wrong completion has no gradient."""
    nll_coef: float = Field(default=0.0, ge=0)
    """Weight of the likelihood of right completions; 0.1 in the released runs."""


class GrpoConfig(TrainConfig):
    """Group-relative policy optimisation (Shao et al., arXiv 2402.03300) on `rl` rows."""

    n_rollouts: int = Field(default=8, ge=2)
    """G, completions of one prompt; `batch_size` counts completions and is a multiple of it."""
    max_completion_tokens: int = Field(ge=1)
    """Tokens after which a completion is cut, and wrong. No default: TRL's would be 512."""
    temperature: float = Field(default=1.0, gt=0)
    """Of sampling; one for the whole batch."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Samples from so much of the probability."""
    levels: tuple[str, ...] = ()
    """Levels of the rows to train on; empty takes all."""

    rewards: tuple[AnyTerm, ...] = Field(min_length=1)
    """Terms that are added up; the first is normally `outcome`."""
    budget: AnyBudget | None = None
    """Rule that gives each rollout a token budget."""
    shapers: tuple[AnyShaper, ...] = (Normalise(),)
    """From rewards to advantages, applied one after the other; the default divides by the batch's spread."""
    rollout: AnyRollout = Plain()
    """How prompts become completions."""
    sampler: AnyRule = Prioritised()
    """Which problems a step trains on."""
    success_memory: float = Field(default=0.5, ge=0, le=1)
    """Weight of a problem's earlier rollouts in its tracked success at each new visit."""

    loss: Literal["dapo", "grpo", "bnpo", "dr_grpo", "cispo", "gppo"] = "dapo"
    """Mean over all tokens (`dapo`), over each completion's own (`grpo`), ...; `gppo` clips and keeps the gradient."""
    epsilon_low: float = Field(default=0.2, gt=0, lt=1)
    """Lower clip of the probability ratio, below 1."""
    epsilon_high: float = Field(default=0.28, gt=0)
    """Upper clip, above 1 (clip-higher, DAPO)."""
    beta: float = Field(default=0.0, ge=0)
    """Weight of the KL distance to the starting model; 0 loads no reference."""
    entropy_coef: float = Field(default=0.0, ge=0)
    """Weight of an entropy bonus."""
    n_iterations: int = Field(default=1, ge=1)
    """Passes over each batch of completions."""
    masks_truncated: bool = False
    """Leaves cut completions out of the loss (overlong filtering); otherwise they count as wrong."""
    gppo: GppoConfig = GppoConfig()
    """Settings of that loss."""

    verify_timeout_s: float = Field(default=300.0, gt=0)
    """Wall seconds after which a verdict is given up, counted as `timeout`, and the completion as wrong."""
    n_verify_threads: int = Field(default=4, ge=1)
    """Completions that are judged at once."""
    vllm: VllmConfig | None = None
    """Generation by vLLM; None generates with transformers."""

    @model_validator(mode="after")
    def _fit_together(self) -> "GrpoConfig":
        self.check_whole_groups(self.n_processes)
        if self.max_completion_tokens >= self.max_length:
            raise ValueError(
                f"`max_completion_tokens` {self.max_completion_tokens} leaves no room for a prompt within "
                f"`max_length` {self.max_length}"
            )
        if self.rollout.max_new_tokens() > self.max_completion_tokens:
            raise ValueError(
                f"`rollout` may write {self.rollout.max_new_tokens()} tokens, more than `max_completion_tokens` "
                f"{self.max_completion_tokens}"
            )
        if self.loss == "gppo" and (self.beta or self.entropy_coef):
            raise ValueError("`loss: gppo` has no KL term and no entropy bonus; set `beta` and `entropy_coef` to 0")
        if self.save_every % self.n_iterations:
            raise ValueError(
                f"`save_every` {self.save_every} would fall between two passes over one batch, which cannot be "
                f"resumed; make it a multiple of `n_iterations` {self.n_iterations}"
            )
        if self.vllm and self.vllm.mode == "server" and self.execution.device == "cpu":
            raise ValueError(
                "`vllm.mode: server` gets its weights over NCCL, from a GPU; `execution.device: cpu` needs `colocate`"
            )
        loss_type = "dapo" if self.loss == "gppo" else self.loss
        if problems := composition_problems(self.rewards, self.budget, self.shapers, loss_type, self.n_rollouts):
            raise ValueError("; ".join(problems))
        return self

    def check_whole_groups(self, n_processes: int) -> None:
        """Raises ValueError where a group would be split between processes: group-relative rewards would be wrong."""
        per_process = self.batch_size // n_processes
        if per_process % self.n_rollouts:
            step = self.n_rollouts * n_processes
            raise ValueError(
                f"`batch_size` {self.batch_size} gives each of {n_processes} processes {per_process} completions, "
                f"which splits groups of {self.n_rollouts}; choose one of {step}, {2 * step}, ..."
            )

    @property
    def n_prompts(self) -> int:
        """Problems of one step."""
        return self.batch_size // self.n_rollouts

    @property
    def max_prompt_tokens(self) -> int:
        return self.max_length - self.max_completion_tokens

    def n_optimiser_steps(self, n_rows: int) -> int:
        """Steps of the run: `n_steps`, or `n_epochs` passes over the rows."""
        n_batches = -(-round(self.n_epochs * n_rows) // self.n_prompts)
        return self.n_steps or max(1, n_batches) * self.n_iterations
