"""The run that `test_kill` kills: `python -m tests.kill_victim PROBLEMS STORE`, 40 problems x 2 samples on Ray."""

import sys

from pipeline.engines.engine import EngineConfig, EngineSpec
from pipeline.execution import ExecutionConfig
from pipeline.recipe import Node, Recipe
from pipeline.run import run
from stages.generate import Generate
from stages.grade_pass_rate import GradePassRate
from stages.ingest import Ingest
from stages.verify import Verify
from tests.pipeline_stages import TraceLines

N_SAMPLES, N_PARTITIONS = 2, 4
IN_FLIGHT = 1
"""Calls at once in the engine: keeps generation long enough to be interrupted."""


def recipe(problems: str) -> Recipe:
    nodes = {
        "problems": Node(stage=Ingest(path=problems)),
        "traces": Node(stage=Generate(engine="teacher", samples=N_SAMPLES)),
        "verified": Node(stage=Verify()),
        "graded": Node(stage=GradePassRate()),
        "lines": Node(stage=TraceLines()),
    }
    return Recipe(
        name="kill", engines={"teacher": EngineSpec(model="scripted:tests.counted_scripts:counted")}, nodes=nodes
    )


def config() -> ExecutionConfig:
    engine = EngineConfig(num_cpus=0, max_in_flight=IN_FLIGHT)
    return ExecutionConfig(partitions=N_PARTITIONS, num_cpus=2, cell_retries=10, engines={"default": engine})


if __name__ == "__main__":
    finished = run(recipe(sys.argv[1]), sys.argv[2], config())
    print(finished.artifacts()["lines"]["folder"])
