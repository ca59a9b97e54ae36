"""One process of a two-process GRPO run on CPUs, for `test_grpo_training`; torch's environment variables name it.

python -m tests.grpo_two_processes FOLDER -> FOLDER/rank-0.json, FOLDER/rank-1.json: what each process drew and held
"""

import json
import os
import sys
from pathlib import Path

from tests.test_grpo import config
from trainer import grpo


def main(folder: Path) -> None:
    from trainer.grpo_trainer import ConciseGRPOTrainer

    asked = config(
        output=str(folder / "out"), n_steps=2, levels=["1"], batch_size=16, micro_batch_size=4, n_rollouts=4,
        max_completion_tokens=128, shapers=[{"shaper": "normalise"}, {"shaper": "repetition"}],
    )  # fmt: skip
    prepared = grpo.prepare(asked)
    trainer = ConciseGRPOTrainer(asked, prepared.rows, prepared.renderer, prepared.tokenizer, 2)
    said = {"own": [], "everyone": [], "own_advantages": [], "advantages": []}
    score = trainer._checked_scored
    shape = trainer._own_part

    def noted_score():
        scored = score()
        said["own"].append([task.row["problem_id"] for task in trainer.score.tasks])
        said["everyone"].append(list(scored.view.row_ids))
        return scored

    def noted_shape(values, completion_ids):
        own = shape(values, completion_ids)
        if values.ndim == 2:
            said["own_advantages"].append(own.sum(dim=1).tolist())
            said["advantages"].append(values.sum(axis=1).tolist())
        return own

    trainer._checked_scored, trainer._own_part = noted_score, noted_shape
    trainer.train()
    said |= {"chunks": trainer.chunks.chunks, "rates": trainer.store.state_dict()}
    said["weights"] = sum(float(weight.detach().double().sum()) for weight in trainer.model.parameters())
    (folder / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
