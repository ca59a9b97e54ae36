"""A model that knows two modes, for the families that need one: a cold start of the tiny teacher on tagged traces.

    tiny.world ──> problem, a verbose or a brief trace under its tag ──> trainer.sft, `steps` of 16 ──> model

AdaCtrl and Thinkless start from such a model; the plain teacher knows no tag. Which problem gets which mode is drawn by
chance, so that choosing is left to reinforcement learning. Their own tags ([Easy] and [Hard]; <short> beside <think>)
are several tokens each here, which the tiny teacher has hardly met: after 150 steps it wrote AdaCtrl's in a muddled
order. Two words of its own vocabulary, a token each, stand for them.
"""

import random
from pathlib import Path

import polars as pl

from pipeline.seeds import derive_seed
from tiny.traces import response, write_trace
from tiny.world import sample_problem
from trainer import sft
from trainer.config import Execution, SftConfig
from trainer.run import FINISHED

N_ROWS = 2400
VERBOSE, BRIEF = 0.8, 0.0
FAMILIES = ("adactrl", "degrpo")


def cold_started(teacher: str, folder: Path, steps: int, seed: int) -> str:
    """Folder of the model; made once."""
    if (folder / FINISHED).exists():
        return str(folder)
    rows = folder.with_suffix(".parquet")
    rows.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(derive_seed(seed, "cold start"))
    pl.DataFrame({"messages": [turns(rng) for _ in range(N_ROWS)]}).write_parquet(rows)
    config = SftConfig(
        model=teacher, data=str(rows), output=str(folder), seed=seed, n_steps=steps, learning_rate=1e-3, batch_size=16,
        micro_batch_size=16, max_length=1024, dtype="fp32", log_every=steps, execution=Execution(device="cpu"),
    )  # fmt: skip
    sft.train(config, show=lambda _: None)
    return str(folder)


def turns(rng: random.Random) -> list[dict[str, str]]:
    problem = sample_problem(rng, rng.choice((1, 2)), held_out=False)
    is_brief = rng.random() < 0.5
    trace = write_trace(problem, rng, BRIEF if is_brief else VERBOSE)
    while trace.slips or (is_brief and len(trace.steps) > len(problem.ops) + 2):
        # A slip that is mended later would be learnt at full weight; a re-check, which one brief trace in seven has,
        # would blur what the two modes are.
        trace = write_trace(problem, rng, BRIEF if is_brief else VERBOSE)
    answer = f" {'easy' if is_brief else 'careful'}\n{response(trace, problem)}"
    return [{"role": "user", "content": problem.text}, {"role": "assistant", "content": answer}]
