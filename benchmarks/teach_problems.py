"""Problems to train students on and problems to test them on, for `benchmarks.teach`.

    tiny.world, the side that its teacher was trained on ──> train.jsonl
                the side that is held out by a hash ───────> test.jsonl     no problem is on both, whatever its wording

The same number of each level. Levels 1 to 5 have 2 to 7 operations.
"""

import random
from pathlib import Path

from pipeline.seeds import derive_seed
from tiny.make_problems import list_row, render
from tiny.world import LEVELS, Problem, sample_problem


def write_problems(folder: Path, n_problems: int, seed: int) -> tuple[Path, Path]:
    """Files of `n_problems` problems each, to train on and to test on; the same numbers never twice in a file."""
    paths = []
    for name, held_out in (("train", False), ("test", True)):
        rng = random.Random(derive_seed(seed, name))
        problems = draw(rng, n_problems, held_out=held_out)
        rows = [list_row(f"{name}-{place:05}", problem) for place, problem in enumerate(problems)]
        paths.append(folder / f"{name}.jsonl")
        paths[-1].write_text(render(rows), encoding="utf-8")
    return paths[0], paths[1]


def draw(rng: random.Random, n_problems: int, *, held_out: bool) -> list[Problem]:
    """Levels by turns, so that the first n are as mixed as all."""
    found: dict[tuple[int, tuple[tuple[str, int], ...]], Problem] = {}
    while len(found) < n_problems:
        level = list(LEVELS)[len(found) % len(LEVELS)]
        problem = sample_problem(rng, level, held_out=held_out)
        found.setdefault((problem.start, problem.ops), problem)
    return list(found.values())
