"""What a GRPO run must remember beside weights and optimiser, so that a resumed run equals one that never stopped.

    checkpoint-40/laconic.json <──on_save── chunks drawn, pass rates, budget state, tokens trained
                               ──on_train_begin──> the same put back, and the reward log cut to step 40

transformers restores weights, optimiser, learning rate and the generators that sampling draws from. The sampler replays
its chunks while transformers skips the batches that were trained on.
"""

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from trainer.errors import TrainError
from trainer.reward_log import REWARD_LOG, keep_up_to

STATE = "laconic.json"


class KeepsState(TrainerCallback):
    """Writes our state into every checkpoint, and reads it where a run goes on."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir)
        if state.is_world_process_zero:
            keep_up_to(folder / REWARD_LOG, state.global_step)
        if not state.global_step:
            return
        place = folder / f"checkpoint-{state.global_step}" / STATE
        if not place.is_file():
            raise TrainError(f"output: {place.parent} was cut off while it was written; delete it and resume again")
        said: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        self._trainer.chunks.load_state_dict(said["sampler"])
        self._trainer.store.load_state_dict(said["pass_rates"])
        self._trainer.reward.load_state_dict(said["reward"])
        self._trainer.n_tokens_trained = said["n_tokens_trained"]

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.judge.close()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        trainer = self._trainer
        said = {
            "sampler": trainer.chunks.state_dict(),
            "pass_rates": trainer.store.state_dict(),
            "reward": trainer.reward.state_dict(),
            "n_tokens_trained": trainer.n_tokens_trained,
        }
        place = Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE
        partial = place.with_name(f".{STATE}")
        partial.write_text(json.dumps(said), encoding="utf-8")
        partial.replace(place)
