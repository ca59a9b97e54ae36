"""Does a concise data set make a concise student? Eight sets from one bank, the same student, the same steps.

    python -m benchmarks.teach [--seeds 5] [--problems 300] [--steps 40] [--samples 8] [--answers 2] [--jobs 2]

    problems ─ teacher ─> bank ─ shorteners ─> a set per arm and seed ─ trainer.sft ─> student ─ eval ─> answers

The tiny teacher writes the bank and is the student too: it solves four problems of five at too great length, so what a
set changes in accuracy and length can be seen after a few hundred examples. A student trained from nothing would need
millions of tokens before it solved anything, and its accuracy would measure that. All arms start from the same weights
and see the same problems (`benchmarks.teach_arms`), `--steps` optimiser steps of 16 examples each. The seed draws the
base traces, the order of the examples, and the answers to the test problems, which no training has seen.
Students answer at temperature 0.8, and once more greedily.

Intervals (95 %) come from a bootstrap that draws problems and seeds anew; differences to `raw` come from the same
draws, so they are paired. Everything is kept in `--folder`: a run that was interrupted goes on there, and one that is
finished is only printed. What comes out is about this toy: see the caveat under the table.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import polars as pl

from benchmarks.machine import print_result
from benchmarks.shorteners import SCRIPT, TEACHER
from benchmarks.teach_arms import ARMS, arms_recipe
from benchmarks.teach_problems import Problems, write_problems
from benchmarks.teach_table import CAVEAT, Results, figures, plot, table
from benchmarks.tiny_scorer import default_folder, is_trained, train
from pipeline.engines.engine import EngineConfig
from pipeline.execution import ExecutionConfig
from pipeline.fingerprint import digest
from pipeline.lookup import ROOT
from pipeline.run import DEFAULT_STORE, dataset_folder, run

SEED = 17
MAX_TOKENS = 700
TEMPERATURES = {"sampled": 0.8, "greedy": 0.0}
"""The teacher's own temperature, and none: greedy, it repeats its checks far more often, so there is more to save."""
BATCH_SIZE = 16
HERE = ExecutionConfig(
    executor="inline",
    partitions=1,
    engines={"default": EngineConfig(backend="transformers", max_num_seqs=64), "rewriter": EngineConfig()},
)


@dataclass(frozen=True)
class Setting:
    """What the figures depend on, and where they are kept."""

    folder: str
    problems: int
    """Problems to train on, and as many others to test on."""
    samples: int
    """Teacher traces per problem in the bank."""
    steps: int
    """Optimiser steps of every student."""
    answers: int
    """Sampled answers per test problem and student; of greedy ones there is one."""
    learning_rate: float

    @property
    def path(self) -> Path:
        return Path(self.folder)


@dataclass(frozen=True)
class Student:
    """One training: an arm and a seed. Without data it is the teacher."""

    setting: Setting
    arm: str
    seed: int
    data: str
    digest: str
    """Of the traces in the set: results of another set are not taken for those of this one."""

    @property
    def name(self) -> str:
        return "-".join(part for part in (self.arm, str(self.seed), self.digest) if part)

    def result(self, decoding: str) -> Path:
        """Where the figures of the answers are kept."""
        suffix = "" if decoding == "sampled" else f"-{decoding}"
        return self.setting.path / "results" / f"{self.name}{suffix}.json"


def sets_of(setting: Setting, problems: Problems, seed: int, scorer: Path) -> dict[str, str]:
    """Folder of each arm's data set. Of all seeds but the first, only what depends on the seed is computed."""
    models = {"teacher": TEACHER, "rewriter": SCRIPT, "scorer": str(scorer)}
    recipe = arms_recipe(models, str(problems.train), setting.samples, seed)
    finished = run(recipe, str(setting.path / "bank"), HERE)
    return {arm: dataset_folder(finished, finished.artifacts()[f"{arm}_set"]) for arm in ARMS}


def teach(student: Student) -> str:
    """Trains and asks one student, unless its result is there; a sentence for the progress."""
    started, right = time.monotonic(), []
    for decoding in TEMPERATURES:
        path = student.result(decoding)
        if not path.exists():
            model = trained(student) if student.data else TEACHER
            write_whole(path, answers_of(student, model, decoding) | {"train_tokens": mean_tokens(student.data)})
        right.append(f"{fmean(json.loads(path.read_text())['correct']):.1%} {decoding}")
    return f"{student.name}: {', '.join(right)}, {time.monotonic() - started:.0f} s"


def trained(student: Student) -> str:
    """Folder of the trained student; one that was interrupted is trained again from the start."""
    from trainer import sft
    from trainer.config import Execution, SftConfig
    from trainer.run import FINISHED

    setting, folder = student.setting, student.setting.path / "students" / student.name
    if (folder / FINISHED).exists():
        return str(folder)
    shutil.rmtree(folder, ignore_errors=True)
    config = SftConfig(
        model=TEACHER, data=student.data, output=str(folder), seed=student.seed, n_steps=setting.steps,
        learning_rate=setting.learning_rate, batch_size=BATCH_SIZE, micro_batch_size=BATCH_SIZE, max_length=1024,
        dtype="fp32", log_every=setting.steps, execution=Execution(device="cpu"),
    )  # fmt: skip
    sft.train(config, show=lambda _: None)
    return str(folder)


def answers_of(student: Student, model: str, decoding: str) -> dict[str, Any]:
    """Per test problem, in order of their ids: share of right answers, mean tokens, share cut off."""
    from trainer.evaluation import EvaluationConfig, evaluate

    config = EvaluationConfig(
        problems=str(student.setting.path / "test.jsonl"), temperature=TEMPERATURES[decoding], top_p=1.0,
        samples=student.setting.answers if TEMPERATURES[decoding] else 1, max_tokens=MAX_TOKENS,
        token_counter=TEACHER, seed=student.seed,
    )  # fmt: skip
    (found,) = evaluate((model,), config, str(student.setting.path / "answers" / student.name), HERE)
    rows = found.answers.frame.group_by("problem_id", "level").mean().sort("problem_id")
    names = {"problem_id": "problem_id", "level": "level", "correct": "correct", "n_tokens": "tokens",
             "truncated": "truncated"}  # fmt: skip
    return {own: rows[name].to_list() for name, own in names.items()}


def digest_of(data: str) -> str:
    """8 hex digits that name the traces of a set; empty without one."""
    if not data:
        return ""
    return digest(pl.read_parquet(f"{data}/data/*.parquet", columns=["trace_id"])["trace_id"].to_list())[:8]


def mean_tokens(data: str) -> float | None:
    """Reasoning and response of a mean row of the set."""
    if not data:
        return None
    counts = json.loads(Path(data, "dataset.json").read_text())["counts"]
    return round((counts["n_reasoning_tokens"] + counts["n_response_tokens"]) / counts["n_rows"], 1)


def write_whole(path: Path, value: dict[str, Any]) -> None:
    """A result exists only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(value), encoding="utf-8")
    partial.rename(path)


def claim(folder: Path, sizes: dict[str, Any]) -> None:
    """Marks the folder as that of these settings; ends with a sentence where it has others."""
    mark = folder / "setting.json"
    if mark.exists() and json.loads(mark.read_text()) != sizes:
        raise SystemExit(f"{folder} holds results of other settings, {mark.read_text()}; name another --folder")
    write_whole(mark, sizes)


def begin_worker() -> None:
    """As many processes as there are jobs, each with one thread and without bars."""
    import datasets
    import torch
    import transformers

    torch.set_num_threads(1)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()


def measure(setting: Setting, problems: Problems, seeds: int, jobs: int, scorer: Path) -> dict[str, Results]:
    """Results by decoding and arm, one per seed."""
    students = []
    for seed in range(seeds):
        sets = sets_of(setting, problems, seed, scorer)
        print(f"seed {seed}: " + ", ".join(f"{arm} {mean_tokens(data)}" for arm, data in sets.items()), flush=True)
        students += [Student(setting, arm, seed, data, digest_of(data)) for arm, data in ({"none": ""} | sets).items()]
    if jobs > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, begin_worker) as workers:
            for line in workers.map(teach, students):
                print(line, flush=True)
    else:
        for student in students:
            print(teach(student), flush=True)
    found: dict[str, Results] = {decoding: {} for decoding in TEMPERATURES}
    for student in students:
        for decoding, results in found.items():
            results.setdefault(student.arm, []).append(json.loads(student.result(decoding).read_text()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--problems", type=int, default=300, help="to train on, and as many others to test on")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--samples", type=int, default=8, help="teacher traces per problem")
    parser.add_argument("--answers", type=int, default=2, help="answers per test problem and student")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--jobs", type=int, default=2, help="students at a time, one thread each")
    parser.add_argument("--folder", type=Path, help="where everything is kept; beside the default store unless given")
    parser.add_argument("--plot", type=Path, help="accuracy against tokens, .svg, .pdf or .png")
    parser.add_argument(
        "--scorer", type=Path, default=default_folder(), help="scoring model of ASAP, trained if absent"
    )
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    names = ("problems", "samples", "steps", "answers", "learning_rate")
    sizes = {name: getattr(arguments, name) for name in names}
    sizes |= {"max_tokens": MAX_TOKENS, "temperature": TEMPERATURES["sampled"], "batch_size": BATCH_SIZE}
    folder = arguments.folder or ROOT / DEFAULT_STORE / "benchmarks" / f"teach-{digest(sizes)[:12]}"
    if not is_trained(arguments.scorer):
        train(arguments.scorer)
    started = time.monotonic()
    claim(folder, sizes)
    problems = write_problems(folder, arguments.problems, SEED)
    setting = Setting(str(folder), **{name: sizes[name] for name in names})
    results = measure(setting, problems, arguments.seeds, arguments.jobs, arguments.scorer)
    found = {name: figures(results[name], problems.whole_way_tokens, SEED) for name in TEMPERATURES}
    path = arguments.plot or folder / "teach.svg"
    for name, one in found.items():
        place = path if name == "sampled" else path.with_stem(f"{path.stem}_{name}")
        plot(one, place, f"{name} answers")
        print(f"\n{name} answers\n{table(one)}\nplot: {place}")
    print(f"\n{CAVEAT}")
    seconds = round(time.monotonic() - started)
    print_result(
        sizes | {"seeds": arguments.seeds, "wall_s": seconds} | found["sampled"] | {"greedy": found["greedy"]},
        "torch",
        "trl",
        "transformers",
    )


if __name__ == "__main__":
    main()
