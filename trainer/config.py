"""What a training run is, in typed fields; read from YAML with the line of every mistake.

    sft.yaml ── read_config(SftConfig, path) ──> SftConfig ──> trainer.sft.train(config)

What may change the student stands in the upper fields and in `digest`; where and how fast it runs stands in
`execution` and is left out of it. TRL cuts rows at 1,024 tokens (SFT, DPO) or 512 (GRPO completions) unless told
otherwise, so `max_length` has no default here: whoever trains on traces has to say it.
"""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.lookup import resolve
from pipeline.marked_yaml import FileKind, load, mistakes, plain
from trainer.errors import TrainError

TRAINING = FileKind(
    "a training configuration", "`model`, `data` and `output`", "`recipes/train/` holds examples", TrainError
)
Config = TypeVar("Config", bound="TrainConfig")

DpoLoss = Literal[
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
]  # fmt: skip


class Part(BaseModel):
    """A part of a configuration: frozen, and no field that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LoraConfig(Part):
    """Low-rank adapters (Hu et al., arXiv 2106.09685) in place of all weights."""

    rank: int = Field(default=32, ge=1)
    """Rank of the two matrices of an adapter."""
    alpha: int = Field(default=64, ge=1)
    """Scale: the adapter's product is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the adapter's inputs set to zero while training."""
    target_modules: str | tuple[str, ...] = "all-linear"
    """Names of the layers that get an adapter; `all-linear` takes every linear layer but the output head."""
    merge: bool = False
    """Also writes the model with the adapter added to its weights, to `merged/` in the output folder."""


class RayConfig(Part):
    """Placement over the nodes of a Ray cluster; without it one process trains."""

    num_workers: int = Field(ge=1)
    """Processes, each with the whole model (DDP) and its share of every batch."""
    use_gpu: bool = True
    """One GPU for each process; false trains on CPUs over gloo."""
    cpus_per_worker: float = Field(default=1, gt=0)
    """CPUs that a process takes from the cluster."""
    address: str = ""
    """Cluster to join; empty takes RAY_ADDRESS, or starts Ray on this machine."""
    max_failures: int = Field(default=0, ge=0)
    """How often the processes are started again from the last checkpoint after one of them was lost."""


class Execution(Part):
    """Where and how fast: nothing here may change what is learnt beyond rounding."""

    device: Literal["auto", "cpu"] = "auto"
    """`cpu` leaves a GPU alone."""
    attention: str = ""
    """Attention kernel by transformers' name (`sdpa`, `flash_attention_2`, ...); empty takes transformers' choice."""
    gradient_checkpointing: bool = False
    """Computes activations twice to hold fewer of them: about 20 % slower, far less memory on long traces."""
    n_data_processes: int = Field(default=1, ge=1)
    """Processes that tokenise the data."""
    ray: RayConfig | None = None
    """Placement over nodes; None trains in this process, or in those that `accelerate launch` started."""


class TrainConfig(Part):
    """What every method of training has. Learning rates and lengths have no defaults that fit all models."""

    model: str
    """Folder or Hub id of the model to start from."""
    revision: str = ""
    """Commit, tag or branch of a model on the Hub; empty takes its main branch."""
    chat_template: str = ""
    """Jinja file in place of the model's own chat template, for one that hides the thinking."""
    data: str
    """Folder with a `dataset.json` as `shard` writes it, or one Parquet file of the same columns."""
    output: str
    """Folder of the checkpoints, the trained model, its card and its curves."""
    seed: int = Field(default=0, ge=0)
    """Order of the rows, dropout and sampling."""
    n_steps: int = Field(default=0, ge=0)
    """Optimiser steps; 0 takes as many as `n_epochs` needs."""
    n_epochs: float = Field(default=1.0, gt=0)
    """Passes over the rows, where `n_steps` is 0."""
    learning_rate: float = Field(gt=0)
    """Peak of AdamW's learning rate."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises linearly from 0."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Course of the learning rate after the warm-up; the first two end at 0."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Gradients are scaled down to this norm; 0 leaves them alone."""
    batch_size: int = Field(default=32, ge=1)
    """Sequences per optimiser step, over all processes; pairs for DPO, rollouts for GRPO."""
    micro_batch_size: int = Field(default=1, ge=1)
    """Sequences that one process puts through the model at once; the rest of a batch is accumulated."""
    max_length: int = Field(ge=8)
    """Tokens of a sequence, question and answer together. A longer row is left out and counted, never cut."""
    max_share_cut: float = Field(default=0.0, ge=0, lt=1)
    """Share of rows that may be left out for their length; a larger one is refused before training."""
    dtype: Literal["bf16", "fp32"] = "bf16"
    """`bf16`: weights in float32, arithmetic in bfloat16; `fp32` throughout, the choice for a CPU."""
    lora: LoraConfig | None = None
    """Trains low-rank adapters; None trains all weights."""
    save_every: int = Field(default=0, ge=0)
    """Steps between two checkpoints; 0 keeps none before the end."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Checkpoints kept, the latest ones."""
    log_every: int = Field(default=1, ge=1)
    """Steps between two printed lines; `metrics.jsonl` has a line for every step."""
    execution: Execution = Execution()
    """Where and how fast it runs."""

    @model_validator(mode="after")
    def _batches_divide(self) -> "TrainConfig":
        self.n_accumulated(self.n_processes)
        return self

    @property
    def n_processes(self) -> int:
        """Processes that this configuration starts itself."""
        return self.execution.ray.num_workers if self.execution.ray else 1

    def n_accumulated(self, n_processes: int) -> int:
        """Micro-batches of one process in an optimiser step. Raises ValueError where they do not fill it."""
        per_pass = self.micro_batch_size * n_processes
        if self.batch_size % per_pass:
            raise ValueError(
                f"`batch_size` {self.batch_size} is no multiple of `micro_batch_size` {self.micro_batch_size} times "
                f"{n_processes} process{'es' if n_processes > 1 else ''}; choose one of {per_pass}, {2 * per_pass}, ..."
            )
        return self.batch_size // per_pass

    @property
    def identity(self) -> dict[str, Any]:
        """What decides on the student, with the names of files and folders in place of their paths; JSON types."""
        fields = self.model_dump(mode="json", exclude={"output", "execution", "micro_batch_size"})
        for name in ("model", "data", "chat_template"):
            if fields[name] and Path(fields[name]).exists():
                fields[name] = Path(fields[name]).resolve().name
        return fields

    @property
    def digest(self) -> str:
        """Names the configuration wherever and however fast it runs: 16 hex digits."""
        text = json.dumps([type(self).__name__, self.identity], sort_keys=True)
        return blake2b(text.encode(), digest_size=8).hexdigest()


class MaskedThought(Part):
    """Noise on the answer's input tokens (Chen et al., Masked Thought, arXiv 2403.02178); the labels stay."""

    max_probability: float = Field(default=0.4, gt=0, lt=1)
    """Share of the answer's input tokens that are masked once the rise is over."""
    rise: float = Field(default=2 / 3, gt=0, le=1)
    """Share of the steps over which the probability rises linearly from 0."""
    mask_token: str = ""
    """Token put in their place; empty takes the tokenizer's mask token, else its padding token."""


class Redi(Part):
    """Wrong traces with a negative weight (REDI, arXiv 2505.24850): weighted SFT over the two members of a pair."""

    alpha: float = Field(default=0.8, gt=0, le=1)
    """The rejected trace weighs -alpha, the chosen one 1. The symmetric 1 rose and then collapsed in the paper."""


class SftConfig(TrainConfig):
    """Supervised fine-tuning on `sft` rows; with `redi`, weighted SFT on `preference` rows."""

    packing: bool = False
    """Puts several rows into one sequence of `max_length` tokens; needs an attention kernel of variable lengths."""
    order: Literal["shuffled", "position"] = "shuffled"
    """`position` trains in the order of that column, the curriculum of the stage `mix`, in every epoch alike."""
    loss_mean: Literal["token", "sequence"] = "token"
    """Mean over all tokens of a batch, or over the rows' own means; `sequence` is the mean of weighted SFT."""
    masked_thought: MaskedThought | None = None
    """Masks a rising share of the answer's input tokens."""
    redi: Redi | None = None
    """Trains on pairs: towards the chosen trace, away from the rejected one."""

    @model_validator(mode="after")
    def _fit_together(self) -> "SftConfig":
        if self.packing and self.masked_thought:
            raise ValueError("`masked_thought` and `packing` exclude each other: the noise is drawn row by row")
        if self.order == "position" and (self.packing or self.redi):
            raise ValueError(
                "`order: position` goes with neither `packing` nor `redi`, which draw an order of their own"
            )
        if self.redi and self.micro_batch_size % 2:
            raise ValueError("`redi` keeps both members of a pair in one batch: `micro_batch_size` must be even")
        if self.redi and (self.packing or self.masked_thought):
            raise ValueError("`redi` goes with neither `packing` nor `masked_thought`: a pair is one unit")
        return self


class DpoConfig(TrainConfig):
    """Direct preference optimisation (Rafailov et al., arXiv 2305.18290) on `preference` rows."""

    beta: float = Field(default=0.1, gt=0)
    """How dear it is to leave the reference model; Step-DPO used 0.4 to 0.5."""
    loss_type: tuple[DpoLoss, ...] = ("sigmoid",)
    """One or more of TRL's losses, added up."""
    loss_weights: tuple[float, ...] = ()
    """One weight for each loss; empty weighs all of them 1."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Probability that a pair is the wrong way round, for `robust` and `exo_pair`; the latter needs one above 0."""
    ld_alpha: float | None = Field(default=None, ge=0, le=1)
    """Weight of the tokens beyond the shorter answer's length (LD-DPO, arXiv 2409.06411); None is plain DPO."""
    precompute_ref_log_probs: bool = False
    """Computes the reference's log-probabilities once, before training, and holds no second model."""

    @model_validator(mode="after")
    def _one_weight_for_each_loss(self) -> "DpoConfig":
        if not self.loss_type:
            raise ValueError("`loss_type` needs at least one loss")
        if self.loss_weights and len(self.loss_weights) != len(self.loss_type):
            raise ValueError(f"`loss_weights` has {len(self.loss_weights)} values for {len(self.loss_type)} losses")
        if "exo_pair" in self.loss_type and not self.label_smoothing:
            raise ValueError("`exo_pair` needs a `label_smoothing` above 0; its paper used 0.001")
        return self


def read_config(kind: type[Config], path: str | Path, **changes: str) -> Config:
    """The configuration in a YAML file. `changes` replace fields where they are not empty.

    Paths are taken as they stand where they exist, else from the file's folder, else from the project's root. Raises
    TrainError with every mistake and its line.
    """
    path = Path(path)
    data = load(path, TRAINING)
    values = plain(data) | {key: value for key, value in changes.items() if value}
    try:
        config = kind.model_validate(values)
    except ValidationError as error:
        found = sorted(mistakes(kind, error, data))
        raise TrainError("\n".join(f"{path}:{line}: {text}" for line, text in found)) from None
    places = {name: resolve(getattr(config, name), path.parent) for name in ("model", "chat_template", "data")}
    return config.model_copy(update=places)
