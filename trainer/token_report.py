"""What a run will read and learn, before it starts: rows, tokens, steps, and the token budget of a step.

    Examples, TrainConfig ── plan_of ──> numbers ── lines ──> four lines on the terminal, a table on the model card

A row may be one of the set, a pair, or several packed into one sequence; the plan says which.
"""

import math
from typing import Any

from trainer.config import DpoConfig, TrainConfig
from trainer.data import DataSet
from trainer.examples import Examples


def plan_of(config: TrainConfig, data: DataSet, examples: Examples, n_processes: int) -> dict[str, Any]:
    """Rows, tokens and steps of a run; JSON types only."""
    lengths, n_rows, units = sorted(examples.n_tokens), len(examples.n_tokens), sorted(unit_lengths(examples))
    units_per_step = min(len(units), max(1, config.batch_size // sequences_per_row(config)))
    n_tokens_per_step = sum(units) / len(units) * units_per_step
    return {
        "n_rows": examples.n_rows,
        "n_rows_used": n_rows,
        "left_out": examples.faults,
        "n_prompts_differ": examples.n_prompts_differ,
        "n_tokens": sum(lengths),
        "n_trained_tokens": sum(examples.n_trained_tokens),
        "n_tokens_of_row": {"median": quantile(lengths, 0.5), "p90": quantile(lengths, 0.9), "max": lengths[-1]},
        "n_steps": n_steps(config, len(examples.rows), n_processes),
        "unit": unit_of(config),
        "units_per_step": units_per_step,
        "n_tokens_per_step": round(n_tokens_per_step),
        "max_tokens_per_step": sum(units[-units_per_step:]),
        "n_trained_tokens_per_step": round(n_tokens_per_step * sum(examples.n_trained_tokens) / sum(lengths)),
        "data": {"format": data.form, "digest": data.digest, "recipe": data.recipe},
    }


def unit_of(config: TrainConfig) -> str:
    """What a batch is counted in, in the plural."""
    if getattr(config, "packing", False):
        return "packed sequences"
    return "pairs" if isinstance(config, DpoConfig) or getattr(config, "redi", None) else "rows"


def unit_lengths(examples: Examples) -> list[int]:
    """Tokens of each row that the trainer is given: one of the set, a pair, or several packed into one."""
    if "seq_lengths" in examples.rows.column_names:
        return [sum(lengths) for lengths in examples.rows["seq_lengths"]]
    return list(examples.n_tokens)


def sequences_per_row(config: TrainConfig) -> int:
    """Sequences of a batch that one row of the data set makes: 2 where REDI reads both members of a pair."""
    return 2 if getattr(config, "redi", None) else 1


def n_steps(config: TrainConfig, n_rows: int, n_processes: int) -> int:
    """Optimiser steps, as transformers counts them: the last one of an epoch may be smaller."""
    if config.n_steps:
        return config.n_steps
    rows_per_pass = config.micro_batch_size // sequences_per_row(config) * n_processes
    steps_per_epoch = math.ceil(math.ceil(n_rows / rows_per_pass) / config.n_accumulated(n_processes))
    return math.ceil(config.n_epochs * steps_per_epoch)


def quantile(ordered: list[int], share: float) -> int:
    """The smallest of the ordered values that at least `share` of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def lines(plan: dict[str, Any]) -> list[str]:
    """The plan for people."""
    row = plan["n_tokens_of_row"]
    left_out = "; ".join(f"{count} left out: {reason}" for reason, count in plan["left_out"].items())
    told = [
        f"rows     {plan['n_rows_used']:,} of {plan['n_rows']:,}" + (f" ({left_out})" if left_out else ""),
        f"tokens   {plan['n_tokens']:,}, learnt {plan['n_trained_tokens']:,}; "
        f"a row: median {row['median']:,}, p90 {row['p90']:,}, longest {row['max']:,}",
        f"steps    {plan['n_steps']:,} of {plan['units_per_step']:,} {plan['unit']}",
        f"budget   {plan['n_tokens_per_step']:,} tokens a step on average, {plan['max_tokens_per_step']:,} at most; "
        f"learnt {plan['n_trained_tokens_per_step']:,}",
    ]
    if plan["n_prompts_differ"]:
        told.append(
            f"note     in {plan['n_prompts_differ']:,} rows the template renders the question alone in another way "
            "than in front of its answer"
        )
    return told
