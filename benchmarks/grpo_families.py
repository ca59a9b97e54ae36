"""GRPO with each family of rewards on the tiny teacher: accuracy and length on held-out problems, before and after.

    python -m benchmarks.grpo_families [--families kimi,drpo] [--steps 70] [--seeds 1] [--problems 200] [--output FILE]

    recipes/train/grpo_<family>.yaml ──> trainer.grpo ──> student ──> trainer.evaluation ──> right, tokens per problem

A family is its recipe, on problems of levels 1 and 2 from the side of the tiny world that the teacher was trained on;
the test problems come from the other side. `adactrl` and `degrpo` start from a model that knows two tags
(`benchmarks.grpo_modes`), which is then their "before". A curriculum is asked with its last budget in the prompt, as
it was trained. Intervals (95 %) draw problems, and seeds if there are several, anew; differences are paired. Where a
length did not fall, the columns behind it say why: `silent` is the share of groups in which no advantage differed from
0, `mixed` that of groups with right and wrong rollouts. Everything is kept in `--folder`; a finished family is only
printed. A toy says that the mechanism works, not how good a method is.
"""

import argparse
import json
import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import polars as pl

from benchmarks.grpo_modes import FAMILIES as NEEDS_MODES
from benchmarks.grpo_modes import cold_started
from benchmarks.machine import print_result
from pipeline.engines.engine import EngineConfig
from pipeline.execution import ExecutionConfig
from pipeline.fingerprint import digest
from pipeline.lookup import ROOT
from pipeline.run import DEFAULT_STORE
from pipeline.seeds import derive_seed
from tiny.make_problems import list_row, render
from tiny.world import Problem, sample_problem
from trainer import grpo
from trainer.budgets.exp_steps import ExpSteps
from trainer.config import read_config
from trainer.evaluation import EvaluationConfig, evaluate
from trainer.evaluation_statistics import Estimate, ratio
from trainer.evaluation_table import in_percent, with_interval
from trainer.grpo_config import GrpoConfig
from trainer.run import FINISHED

TEACHER = str(ROOT / "tiny" / "teacher")
ALL = ("kimi", "cosine", "laser_d", "curriculum", "hbpo", "concise_r", "adactrl", "drpo", "degrpo", "elastic")
LEVELS = (1, 2)
SEED = 23
MAX_TOKENS = 400
HERE = ExecutionConfig(
    executor="inline", partitions=1, engines={"default": EngineConfig(backend="transformers", max_num_seqs=64)}
)
Result = dict[str, list[Any]]


@dataclass(frozen=True)
class Setting:
    """What the figures depend on, and where they are kept."""

    folder: Path
    steps: int
    """Optimiser steps of GRPO; 0 takes those of the recipe."""
    cold_steps: int
    """Optimiser steps of a cold start."""
    problems: int
    """Test problems."""
    answers: int
    """Answers per test problem and model."""

    def kept(self, name: str) -> Path:
        return self.folder / "results" / f"{name}.json"


def write_problems(setting: Setting) -> None:
    """Files of problems to train on and to test on, of the two levels by turns; no numbers are on both sides."""
    setting.folder.mkdir(parents=True, exist_ok=True)
    for name, n, held_out in (("train", 400, False), ("test", setting.problems, True)):
        rng, found = random.Random(derive_seed(SEED, name)), {}
        while len(found) < n:
            problem = sample_problem(rng, LEVELS[len(found) % 2], held_out=held_out)
            found.setdefault((problem.start, problem.ops), problem)
        rows = [list_row(f"{name}-{place:04}", problem) for place, problem in enumerate(_of(found))]
        (setting.folder / f"{name}.jsonl").write_text(render(rows), encoding="utf-8")


def _of(found: dict[Any, Problem]) -> list[Problem]:
    return list(found.values())


def config_of(setting: Setting, family: str, seed: int) -> GrpoConfig:
    """The family's recipe with the benchmark's problems, and its own start where it needs one."""
    recipe = read_config(GrpoConfig, ROOT / "recipes" / "train" / f"grpo_{family}.yaml")
    changes: dict[str, Any] = {
        "data": str(setting.folder / "train.jsonl"),
        "seed": seed,
        "model": start_of(setting, family),
    }
    config = recipe.model_copy(update=changes | ({"n_steps": setting.steps} if setting.steps else {}))
    name = f"{family}-{seed}-{config.digest[:8]}"  # a recipe that was changed is another student
    return config.model_copy(update={"output": str(setting.folder / "students" / name)})


def start_of(setting: Setting, family: str) -> str:
    if family not in NEEDS_MODES:
        return TEACHER
    return cold_started(TEACHER, setting.folder / "cold_start", setting.cold_steps, SEED)


def prompt_of(config: GrpoConfig) -> str:
    """The user message of the test: a curriculum's last budget stands in it, as in training."""
    if not isinstance(config.budget, ExpSteps):
        return "{problem}"
    last = config.budget.n_tokens(config.n_steps - 1)
    return "{problem}\n" + config.rollout.assign({}, np.array([last]))[0].note


def answers_of(setting: Setting, model: str, name: str, prompt: str = "{problem}") -> Result:
    """Per test problem, in order of their ids: share of right answers, mean tokens, share cut off."""
    kept = setting.kept(name)
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    config = EvaluationConfig(
        problems=str(setting.folder / "test.jsonl"), samples=setting.answers, temperature=0.8, top_p=1.0,
        max_tokens=MAX_TOKENS, token_counter=TEACHER, seed=SEED, prompt=prompt,
    )  # fmt: skip
    (found,) = evaluate((model,), config, str(setting.folder / "answers" / name), HERE)
    of_problem = found.answers.frame.group_by("problem_id")
    means = pl.col("correct", "n_tokens", "truncated").mean()
    rows = of_problem.agg(means).sort("problem_id").rename({"n_tokens": "tokens"})
    result = {name: rows[name].to_list() for name in rows.columns}
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps(result), encoding="utf-8")
    partial.rename(kept)
    return result


def student_of(setting: Setting, family: str, seed: int) -> tuple[GrpoConfig, list[dict[str, float]]]:
    """The trained student's configuration and the lines of its metrics."""
    config = config_of(setting, family, seed)
    folder = Path(config.output)
    if not (folder / FINISHED).exists():
        shutil.rmtree(folder, ignore_errors=True)
        grpo.train(config, show=lambda line: print(f"  {line}", flush=True) if "0/" in line else None)
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return config, [json.loads(line) for line in lines]


def measured(setting: Setting, family: str, seeds: int) -> dict[str, Any]:
    """Before, after, differences, and what the log says."""
    started, after, lines = time.monotonic(), [], []
    for seed in range(1, seeds + 1):
        config, metrics = student_of(setting, family, seed)
        after.append(answers_of(setting, config.output, Path(config.output).name, prompt_of(config)))
        lines += metrics
    start = start_of(setting, family)
    before = [answers_of(setting, start, "teacher" if start == TEACHER else "cold_start")] * seeds
    own, base = estimates(after), estimates(before)
    return {
        "accuracy_before": base["accuracy"].as_dict(),
        "accuracy": own["accuracy"].as_dict(),
        "accuracy_gain": own["accuracy"].minus(base["accuracy"]).as_dict(),
        "tokens_before": base["tokens"].as_dict(1),
        "tokens": own["tokens"].as_dict(1),
        "tokens_ratio": own["tokens"].over(base["tokens"]).as_dict(),
        "truncated": round(fmean(fmean(one["truncated"]) for one in after), 4),
        "silent_groups": round(fmean(line["share/silent_groups"] for line in lines), 3),
        "mixed_groups": round(fmean(line["share/mixed_groups"] for line in lines), 3),
        "n_steps": config.n_steps,
        "seconds": round(time.monotonic() - started),
    }


def estimates(found: list[Result]) -> dict[str, Estimate]:
    correct, tokens = (np.array([one[name] for one in found], dtype=float) for name in ("correct", "tokens"))
    ones = np.ones_like(correct)
    return {"accuracy": ratio(correct, ones, SEED), "tokens": ratio(tokens, ones, SEED)}


def table(found: dict[str, dict[str, Any]]) -> str:
    titles = ("family", "accuracy before", "after, in %", "gain", "tokens before", "after", "in % of before",
              "silent", "mixed")  # fmt: skip
    widths = (11, 20, 20, 21, 16, 16, 16, 8, 8)
    lines = ["".join(f"{title:>{width}}" for title, width in zip(titles, widths, strict=True))]
    for family, line in found.items():
        cells = (
            family, in_percent(line["accuracy_before"]), in_percent(line["accuracy"]),
            in_percent(line["accuracy_gain"], "+.1f"), with_interval(line["tokens_before"], ".0f"),
            with_interval(line["tokens"], ".0f"), in_percent(line["tokens_ratio"], ".0f"),
            f"{line['silent_groups']:.2f}", f"{line['mixed_groups']:.2f}",
        )  # fmt: skip
        lines.append("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))
    return "\n".join(lines)


def plot(found: dict[str, dict[str, Any]], path: Path) -> None:
    """A line per family: tokens left and accuracy gained beside its own start, each with its interval."""
    import matplotlib
    from matplotlib.figure import Figure

    panels = {"tokens_ratio": ("tokens, % of before", 100), "accuracy_gain": ("accuracy, points gained", 0)}
    with matplotlib.rc_context({"svg.hashsalt": "laconic", "font.size": 10, "axes.spines.left": False}):
        figure = Figure(figsize=(7, 1.1 + 0.28 * len(found)), layout="constrained")
        for axes, (name, (title, nothing)) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
            for place, line in enumerate(found.values()):
                low, value, high = (100 * line[name][end] for end in ("low", "value", "high"))
                axes.plot([low, high], [place, place], color="#0072b2", linewidth=1.6, solid_capstyle="butt")
                axes.plot([value], [place], marker="o", markersize=5, color="#0072b2")
            axes.axvline(nothing, color="#999999", linewidth=0.8, zorder=0)
            axes.set(xlabel=title, yticks=range(len(found)), yticklabels=list(found))
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x", alpha=0.25, linewidth=0.6)
        axes.invert_yaxis()
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", default=",".join(ALL), help="names, with commas")
    parser.add_argument("--steps", type=int, default=0, help="optimiser steps; those of the recipes unless given")
    parser.add_argument("--cold-steps", type=int, default=300, help="supervised steps of a cold start")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--problems", type=int, default=200, help="to test on")
    parser.add_argument("--answers", type=int, default=2, help="answers per test problem")
    parser.add_argument("--folder", type=Path, help="where everything is kept; beside the default store unless given")
    parser.add_argument("--output", type=Path, help="the figure: .svg, .pdf or .png")
    arguments = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    sizes = {name: getattr(arguments, name) for name in ("steps", "cold_steps", "problems", "answers")}
    folder = arguments.folder or ROOT / DEFAULT_STORE / "benchmarks" / f"grpo-{digest(sizes)[:12]}"
    setting = Setting(folder, **sizes)
    write_problems(setting)
    found = {}
    for family in arguments.families.split(","):
        found[family] = measured(setting, family, arguments.seeds)
        print(f"{family}: {found[family]['seconds']} s", flush=True)
    path = arguments.output or folder / "families.svg"
    plot(found, path)
    print(f"\n{table(found)}\nfigure: {path}")
    print_result(sizes | {"seeds": arguments.seeds, "families": found}, "torch", "trl", "transformers")


if __name__ == "__main__":
    main()
