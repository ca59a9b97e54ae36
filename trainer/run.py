"""The course of a training, whatever its loss: plan, train or go on, save, card and curves.

    Prepared ── begin ──────────> run.json, a checkpoint to go on from
             ── run ────────────> metrics.jsonl, checkpoint-*/, model or adapter (, merged/)
             ── write_up ───────> training.json, README.md, curves.svg

`run.json` is written first and names the configuration, so that a run goes on only under the configuration that it
began with; `training.json` comes last and says that everything else is there.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trainer.checks import check_examples, check_tokenizer
from trainer.config import TrainConfig
from trainer.data import DataSet, read_data
from trainer.errors import TrainError
from trainer.examples import Examples
from trainer.model_card import model_card, versions
from trainer.render import Renderer
from trainer.setup import end_ids, load_tokenizer, n_parameters, n_processes, require_trl
from trainer.token_report import lines, plan_of

STARTED, FINISHED = "run.json", "training.json"
Show = Callable[[str], None]


class Ready(Protocol):
    """What a run needs of what was prepared, whatever the method."""

    @property
    def tokenizer(self) -> Any: ...
    @property
    def plan(self) -> dict[str, Any]: ...
    def lines(self) -> list[str]: ...


@dataclass(frozen=True)
class Prepared:
    """Everything that is known about rows of answers or pairs before a weight is loaded."""

    data: DataSet
    tokenizer: Any
    examples: Examples
    plan: dict[str, Any]
    """Rows, tokens and steps, see `trainer.token_report`."""

    def lines(self) -> list[str]:
        """The plan for people."""
        return lines(self.plan)


def prepare(config: TrainConfig, form: str, to_examples: Callable[[DataSet, Renderer, Any], Examples]) -> Prepared:
    """Reads and checks data and tokenizer. Raises TrainError for whatever would spoil the training."""
    require_trl()
    data = read_data(config.data, form)
    tokenizer = load_tokenizer(config)
    check_tokenizer(tokenizer, config)
    examples = to_examples(data, Renderer(tokenizer, end_ids(config, tokenizer)), config)
    check_examples(examples, config)
    return Prepared(data, tokenizer, examples, plan_of(config, data, examples, _n_processes(config)))


def dry_run(config: TrainConfig, method: str, prepared: Ready, show: Show) -> dict[str, Any]:
    """Says what `train` would do. Loads no weight and writes nothing."""
    n_trained, n_all = n_parameters(config)
    where = f"{_n_processes(config)} processes of Ray" if config.execution.ray else f"{n_processes()} process"
    for line in prepared.lines():
        show(line)
    show(f"trains   {n_trained:,} of {n_all:,} parameters in {config.dtype}, {where}")
    show(f"writes   {config.output}")
    return prepared.plan | {"method": method, "n_parameters_trained": n_trained, "n_parameters": n_all}


def checkpoint_to_go_on_from(config: TrainConfig, method: str, resume: bool, data_digest: str = "") -> str | None:
    """The last checkpoint of an interrupted run; None starts anew. Raises TrainError for a folder of another run.

    `data_digest`: of the data set, where it has been read already.
    """
    folder = Path(config.output)
    if folder.exists() and not folder.is_dir():
        raise TrainError(f"output: {folder} is a file; name a folder")
    if not (folder / STARTED).exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise TrainError(f"output: {folder} holds something that is no training; name an empty or a new folder")
        return None
    if not resume:
        raise TrainError(f"output: {folder} holds a training already; `--resume` goes on with it, or name another")
    if (folder / FINISHED).exists():
        raise TrainError(f"output: the training in {folder} is finished; name another folder to train again")
    said = json.loads((folder / STARTED).read_text(encoding="utf-8"))
    if (said["method"], said["config_digest"]) != (method, config.digest):
        raise TrainError(f"output: {folder} was begun with another configuration; take that one, or another folder")
    if said["data_digest"] and data_digest and said["data_digest"] != data_digest:
        raise TrainError(f"output: {folder} was begun with other data; take those, or another folder")
    return last_whole_checkpoint(folder)


def last_whole_checkpoint(folder: Path) -> str | None:
    """The latest checkpoint that was written to its end: transformers writes `trainer_state.json` last."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def begin(config: TrainConfig, method: str, data_digest: str = "") -> None:
    """Marks the output folder as this run's."""
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    name = {"method": method, "config_digest": config.digest, "data_digest": data_digest}
    (folder / STARTED).write_text(json.dumps(name) + "\n", encoding="utf-8")


def run(
    config: TrainConfig,
    method: str,
    prepared: Ready,
    build: Callable[[], Any],
    resume: bool = False,
    show: Show = print,
) -> dict[str, Any]:
    """Trains with the TRL trainer that `build` makes, and writes all there is to write. Returns the facts."""
    is_first = int(os.environ.get("RANK", "0")) == 0
    data_digest = prepared.plan["data"]["digest"]
    checkpoint = checkpoint_to_go_on_from(config, method, resume or not is_first, data_digest)
    if is_first:
        begin(config, method, data_digest)
        for line in prepared.lines():
            show(line)
    import torch
    from transformers import PrinterCallback

    from trainer.bookkeeping import MetricsFile

    n_gpus = torch.cuda.device_count()
    if n_gpus > 1 and n_processes() == 1 and config.execution.device == "auto":
        raise TrainError(
            f"execution: one process sees {n_gpus} GPUs and would use them badly; set `execution.ray`, start with "
            "`accelerate launch`, or show it one with CUDA_VISIBLE_DEVICES"
        )
    trainer = build()
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(MetricsFile(Path(config.output), config.log_every, show))
    try:
        trainer.train(resume_from_checkpoint=checkpoint)
    except torch.OutOfMemoryError:
        raise TrainError(
            "micro_batch_size: the GPU's memory is full; lower it, set "
            "`execution.gradient_checkpointing`, or train with `lora`"
        ) from None
    save(trainer, config, prepared.tokenizer)
    facts = _facts(config, method, prepared.plan, trainer)
    if trainer.is_world_process_zero():
        write_up(config, facts)
        show(f"wrote {config.output}")
    return facts


def save(trainer: Any, config: TrainConfig, tokenizer: Any) -> None:
    """The model, or its adapter; with `merge`, also the model with the adapter added. bf16 is saved as such."""
    import torch

    sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    if config.dtype == "bf16" and not sharded:
        trainer.model.to(torch.bfloat16)
    trainer.save_model(config.output)
    if not trainer.is_world_process_zero():
        return
    (Path(config.output) / "training_args.bin").unlink(missing_ok=True)  # a pickle of paths on this machine
    if config.lora and config.lora.merge:
        if sharded:
            raise TrainError("lora.merge: the weights are sharded; merge afterwards with `laconic train merge`")
        merged = trainer.accelerator.unwrap_model(trainer.model).merge_and_unload()
        merged.save_pretrained(Path(config.output) / "merged")
        tokenizer.save_pretrained(Path(config.output) / "merged")


def write_up(config: TrainConfig, facts: dict[str, Any]) -> None:
    """Curves, card and, last, the facts."""
    from trainer.bookkeeping import METRICS
    from trainer.curves import draw_curves

    folder = Path(config.output)
    draw_curves(folder / METRICS, folder / "curves.svg")
    (folder / "README.md").write_text(model_card(config, facts), encoding="utf-8")
    partial = folder / f".{FINISHED}"
    partial.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.rename(folder / FINISHED)


def _facts(config: TrainConfig, method: str, plan: dict[str, Any], trainer: Any) -> dict[str, Any]:
    logged = [line for line in trainer.state.log_history if "loss" in line]
    n_trained, n_all = n_parameters(config)
    return {
        "method": method,
        "config_digest": config.digest,
        "config": config.identity,
        "plan": plan,
        "result": {
            "n_steps": trainer.state.global_step,
            "n_tokens_trained": int(logged[-1].get("n_tokens_trained", 0)),
            "loss": logged[-1]["loss"],
            "loss_at_start": logged[0]["loss"],
        },
        "n_parameters_trained": n_trained,
        "n_parameters": n_all,
        "n_processes": n_processes(),
        "device": str(trainer.accelerator.device.type),
        "versions": versions(),
    }


def _n_processes(config: TrainConfig) -> int:
    return config.n_processes if config.execution.ray else n_processes()
