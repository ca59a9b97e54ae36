"""Placement of a training over the nodes of a Ray cluster; what is trained, and how, is the same as in one process.

    config.execution.ray ── TorchTrainer ──> N processes, torch.distributed ── trainer.<method>.train ──> output folder

Ray places the processes, joins them, and starts them again from the last checkpoint when one is lost. Each process
reads the Parquet files with `datasets`: Ray Data would only move the same rows about, and GRPO draws its own order. The
data and the output folder must be reachable from every node.
"""

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.execution import ExecutionConfig
from pipeline.executors import start_ray
from trainer.config import RayConfig, TrainConfig
from trainer.errors import TrainError
from trainer.run import FINISHED, begin, checkpoint_to_go_on_from


def train_on_ray(
    config: TrainConfig, method: str, resume: bool = False, show: Callable[[str], None] = print
) -> dict[str, Any]:
    """Trains in `config.execution.ray.num_workers` processes; returns the facts that the first one writes."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
    from ray.train.torch import TorchConfig, TorchTrainer

    asked = config.execution.ray
    assert asked is not None
    checkpoint_to_go_on_from(config, method, resume)
    config = _with_absolute_places(config)
    begin(config, method)
    started = not ray.is_initialized()
    if started:
        _join(asked)
    show(f"ray      {asked.num_workers} processes, {'a GPU each' if asked.use_gpu else 'on CPUs'}")
    try:
        TorchTrainer(
            _train_loop,
            train_loop_config={"config": config, "method": method},
            torch_config=TorchConfig(backend="nccl" if asked.use_gpu else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=asked.num_workers,
                use_gpu=asked.use_gpu,
                resources_per_worker={"CPU": asked.cpus_per_worker, **({"GPU": 1} if asked.use_gpu else {})},
            ),
            run_config=RunConfig(
                name=f"{method}-{config.digest}",
                storage_path=str(Path(config.output) / "ray"),
                failure_config=FailureConfig(max_failures=asked.max_failures),
            ),
        ).fit()
    except TrainingFailedError as error:
        raise TrainError(f"execution.ray: {_reason(str(error))}") from None
    finally:
        if started:
            ray.shutdown()
    facts: dict[str, Any] = json.loads((Path(config.output) / FINISHED).read_text(encoding="utf-8"))
    return facts


def _train_loop(asked: dict[str, Any]) -> None:
    """What each process runs. A process that is started again goes on from the last checkpoint."""
    import_module(f"trainer.{asked['method']}").train(asked["config"], True, print)


def _reason(traceback: str) -> str:
    """The sentence of a TrainError that a process raised, else the last line of what it left."""
    said = re.search(r"^(?:.*\.)?TrainError: (.+)$", traceback, re.MULTILINE)
    return said[1] if said else f"a process failed: {traceback.strip().splitlines()[-1]}"


def _join(asked: RayConfig) -> None:
    import ray

    start_ray(ExecutionConfig(address=asked.address))
    have, need = ray.cluster_resources().get("GPU", 0), asked.num_workers
    if asked.use_gpu and have < need:
        ray.shutdown()
        raise TrainError(
            f"execution.ray: {need} processes need as many GPUs and the cluster has {have:g}; lower `num_workers`, or "
            "set `use_gpu: false`"
        )


def _with_absolute_places(config: TrainConfig) -> TrainConfig:
    """A process of Ray has another working folder."""
    names = ("model", "data", "chat_template", "output")
    here = {name: str(Path(value).resolve()) for name in names if (value := getattr(config, name)) and _is_path(value)}
    return config.model_copy(update=here | {"output": str(Path(config.output).resolve())})


def _is_path(value: str) -> bool:
    return "://" not in value and Path(value).exists()
