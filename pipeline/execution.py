"""How and where a recipe runs: the files in `ray_configs/`. Nothing in here may change the data.

executor: ray
partitions: 64
engines:
  default: {num_gpus: 1}
  teacher: {num_gpus: 8, tensor_parallel_size: 8, replicas: 4}
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.engines.engine import EngineConfig
from pipeline.errors import RecipeError
from pipeline.marked_yaml import FileKind, load, mistakes, plain
from pipeline.store import DEFAULT_PARTITIONS

EXECUTION = FileKind("an execution config", "`executor` and `engines`", "`ray_configs/` holds examples")


class ExecutionConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    executor: Literal["ray", "inline"] = "ray"
    """`inline` runs everything in this process: for small jobs and tests."""
    address: str = ""
    """Ray cluster to join; empty takes RAY_ADDRESS, or starts Ray on this machine."""
    num_cpus: int | None = Field(default=None, ge=1)
    """CPUs of a Ray started here; None takes what the machine has."""
    partitions: int = Field(default=DEFAULT_PARTITIONS, ge=1, le=65536)
    """Partitions of a store made by this run; an existing store keeps its own."""
    cells_in_flight: int = Field(default=0, ge=0)
    """Cells submitted and not yet done, of those that compute and of those that wait for a model; 0 takes twice the
    cluster's CPUs, and 8 at least of the second kind."""
    cell_retries: int = Field(default=3, ge=0)
    """How often a cell is started again after its worker or engine was lost."""
    allow_degraded_sandbox: bool = False
    """Runs programs of code problems behind weaker walls on nodes that allow no namespaces, instead of refusing."""
    engines: dict[str, EngineConfig] = {}
    """By the engine's name in the recipe; `default` applies to the others."""

    def engine(self, name: str) -> EngineConfig:
        return self.engines.get(name) or self.engines.get("default") or EngineConfig()

    @property
    def environment(self) -> dict[str, str]:
        """Variables that every worker needs."""
        return {"LACONIC_ALLOW_DEGRADED_SANDBOX": "1"} if self.allow_degraded_sandbox else {}

    @staticmethod
    def read(path: str | Path) -> "ExecutionConfig":
        """Raises RecipeError with every mistake of the file."""
        data = load(Path(path), EXECUTION)
        try:
            return ExecutionConfig.model_validate(plain(data))
        except ValidationError as error:
            found = sorted(mistakes(ExecutionConfig, error, data))
            raise RecipeError("\n".join(f"{path}:{line}: {text}" for line, text in found)) from None
