"""What each problem earned at each step, for choosing data by a training run (LIMR, 1-shot RLVR).

    gathered rollouts of a step ──> one line per problem: mean reward, success, mean length ──> reward_log.jsonl

The stages `rank_limr` and `rank_reward_variance` read the file as it is. Steps count from 1, as in `metrics.jsonl`. A
run that resumes from a checkpoint first takes away what a killed run had written beyond it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainer.group_view import Floats, GroupView

REWARD_LOG = "reward_log.jsonl"


class RewardLogWriter:
    """Appends to one file; used by the first process only."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / REWARD_LOG

    def add(self, step: int, view: GroupView, rewards: Floats) -> None:
        """Lines of one generation batch; `rewards` [P, G]."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in _lines(step, view, rewards))


def _lines(step: int, view: GroupView, rewards: Floats) -> Iterator[dict[str, Any]]:
    for place, row_id in enumerate(view.row_ids):
        yield {
            "problem_id": row_id,
            "step": step,
            "reward": round(float(rewards[place].mean()), 6),
            "success": round(float(view.correct[place].mean()), 6),
            "n_tokens": round(float(view.n_tokens[place].mean()), 3),
            "n_rollouts": view.n_rollouts,
        }


def keep_up_to(path: Path, step: int) -> None:
    """Takes every line of a later step away, and a last line that was cut off; the file appears in one piece."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n") or json.loads(line)["step"] > step:
            break
        kept.append(line)
    partial = path.with_name(f".{path.name}")
    partial.write_text("".join(kept), encoding="utf-8")
    partial.replace(path)
