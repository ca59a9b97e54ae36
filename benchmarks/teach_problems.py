"""Problems to train students on and problems to test them on, for `benchmarks.teach`.

    tiny.world, the side that its teacher was trained on ──> train.jsonl
                the side that is held out by a hash ───────> test.jsonl     no problem is on both, whatever its wording

The same number of each level. Levels 1 to 5 have 2 to 7 operations.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from benchmarks.shorteners import TEACHER
from pipeline.seeds import derive_seed
from schemas.tokens import counter
from tiny.make_problems import list_row, render
from tiny.traces import Trace, open_trace, solve
from tiny.world import LEVELS, Problem, sample_problem


@dataclass(frozen=True)
class Problems:
    train: Path
    test: Path
    whole_way_tokens: float
    """Mean tokens of the shortest answers to the test problems that keep every step, as the teacher words them."""


def write_problems(folder: Path, n_problems: int, seed: int) -> Problems:
    """Files of `n_problems` problems each; the same numbers never twice in a file."""
    drawn = {}
    for name, held_out in (("train", False), ("test", True)):
        rng = random.Random(derive_seed(seed, name))
        drawn[name] = draw(rng, n_problems, held_out=held_out)
        rows = [list_row(f"{name}-{place:05}", problem) for place, problem in enumerate(drawn[name])]
        (folder / f"{name}.jsonl").write_text(render(rows), encoding="utf-8")
    return Problems(folder / "train.jsonl", folder / "test.jsonl", whole_way_tokens(drawn["test"]))


def whole_way_tokens(problems: Sequence[Problem]) -> float:
    """Of start, one step for each operation, and the answer, once in the thinking and once in the response."""
    count = counter(TEACHER)
    return fmean(
        count(_whole_way(problem)) + count(f"The answer is \\boxed{{{problem.answer}}}.") for problem in problems
    )


def _whole_way(problem: Problem) -> str:
    trace, rng = Trace(), random.Random(0)  # without verbosity nothing is drawn
    open_trace(trace, problem, rng, verbosity=0.0)
    solve(trace, problem, problem.values, rng, verbosity=0.0, recheck=True)
    trace.add(f"The answer is {problem.answer}.")
    return trace.thinking


def draw(rng: random.Random, n_problems: int, *, held_out: bool) -> list[Problem]:
    """Levels by turns, so that the first n are as mixed as all."""
    found: dict[tuple[int, tuple[tuple[str, int], ...]], Problem] = {}
    while len(found) < n_problems:
        level = list(LEVELS)[len(found) % len(LEVELS)]
        problem = sample_problem(rng, level, held_out=held_out)
        found.setdefault((problem.start, problem.ops), problem)
    return list(found.values())
