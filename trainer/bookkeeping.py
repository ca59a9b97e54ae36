"""What all our TRL trainers share: rows come ready, tokens are counted, a line per step, nothing leaves the machine.

    micro-batches of a step ── _get_num_items_in_batch ──> n_tokens_trained, n_completion_tokens
    TRL's log of a step ────── MetricsFile ──────────────> metrics.jsonl (and a printed line now and then)

Tokens are counted over all processes, and go on from the last checkpoint where a run does.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

METRICS = "metrics.jsonl"
KEPT = ("accuracy", "reward", "budget", "entropy")
KEPT_GROUPS = ("reward/", "outcome/", "mode/", "share/", "sampling/")
"""Names, and beginnings of names, that a GRPO run logs beside those of every training."""
ACCURACIES = ("rewards/accuracies", "mean_token_accuracy")
"""TRL's names: share of pairs told apart (DPO), share of tokens that the student would have written (SFT)."""


class Bookkeeping:
    """Mixed into a TRL trainer, before its class."""

    state: Any
    accelerator: Any
    _metrics: Any

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """The rows come as tokens. TRL would render them itself, cut them, and end a mere step with an end token."""
        return dataset

    def _send_telemetry(self) -> None:
        """TRL reports model type and device to its makers; a student's data set is nobody's business."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """`trainer.model_card` writes the card, once, at the end."""

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> Any:
        """Counts the tokens with a loss and the rows of one optimiser step, over all processes."""
        counted = torch.tensor([[n_trained_tokens(batch), n_rows(batch)] for batch in batch_samples]).sum(dim=0)
        n_tokens, n_sequences = self.accelerator.gather(counted.to(device)[None]).sum(dim=0).tolist()
        before = next((line["n_tokens_trained"] for line in reversed(self.state.log_history) if _counts(line)), 0)
        self._metrics["train"]["n_tokens_trained"] = [before + n_tokens]
        self._metrics["train"]["n_completion_tokens"] = [n_tokens / max(n_sequences, 1)]
        return super()._get_num_items_in_batch(batch_samples, device)  # type: ignore[misc]


def _counts(line: dict[str, Any]) -> bool:
    return "n_tokens_trained" in line


def n_trained_tokens(batch: dict[str, Any]) -> int:
    """Tokens of a micro-batch that get a loss."""
    if "labels" in batch:
        return int((batch["labels"] != -100).sum())
    return int(batch["completion_mask"].sum())


def n_rows(batch: dict[str, Any]) -> int:
    """Rows of a micro-batch; packed ones are told by the borders between them."""
    if "cu_seq_lens_q" in batch:
        return len(batch["cu_seq_lens_q"]) - 1
    return len(batch["input_ids"])


class MetricsFile(TrainerCallback):
    """Writes a JSON line per step to `metrics.jsonl`, and passes every `print_every`-th to `show`."""

    def __init__(self, folder: Path, print_every: int, show: Callable[[str], None]) -> None:
        self._path, self._print_every, self._show = folder / METRICS, print_every, show

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Keeps of an earlier run what lies before the checkpoint that this one goes on from."""
        if not state.is_world_process_zero:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        kept = [line for line in lines if json.loads(line)["step"] <= state.global_step]
        self._path.write_text("".join(f"{line}\n" for line in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        line = metrics_line(state.global_step, logs)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        if state.global_step % self._print_every == 0 or state.global_step == state.max_steps:
            self._show(printed_line(line, state.max_steps))


def metrics_line(step: int, logs: dict[str, float]) -> dict[str, float]:
    """Step, loss, accuracy and token counts under our names; a value that TRL did not log is left out."""
    accuracy = next((logs[name] for name in ACCURACIES if name in logs), None)
    values = {
        "step": step,
        "loss": logs["loss"],
        "accuracy": accuracy,
        "n_completion_tokens": logs.get("n_completion_tokens"),
        "n_tokens_trained": logs.get("n_tokens_trained"),
        "learning_rate": logs.get("learning_rate"),
        "grad_norm": logs.get("grad_norm"),
    }
    values |= {name: value for name, value in logs.items() if name in KEPT or name.startswith(KEPT_GROUPS)}
    return {name: value for name, value in values.items() if value is not None}


def printed_line(line: dict[str, float], n_steps: int) -> str:
    parts = [f"step {line['step']}/{n_steps}", f"loss {line['loss']:.4f}"]
    parts += [f"accuracy {line['accuracy']:.3f}"] if "accuracy" in line else []
    if "n_completion_tokens" in line:
        parts.append(f"{line['n_completion_tokens']:.0f} tokens a row, {line['n_tokens_trained']:,.0f} trained so far")
    return "  ".join(parts)
