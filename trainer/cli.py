"""`laconic train sft | dpo | grpo | merge`: parse, check, train, print.

    CONFIG (YAML) ── read_config ──> typed configuration ── plan (--dry-run) or train ──> lines, exit code

A mistake of configuration, data or template ends with its sentence and exit code 2 before a weight is loaded. Heavy
imports wait until a command runs, so that `laconic --help` stays quick.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.exit_codes import sentences

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Train a model on shards, or merge two.")

ConfigPath = Annotated[Path, typer.Argument(help="A file as in recipes/train/.", metavar="CONFIG")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check all but the weights, say what would be done, and stop.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the output folder.")]
Data = Annotated[str, typer.Option("--data", help="Another data set in place of the configuration's.")]
Output = Annotated[str, typer.Option("--output", help="Another output folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
WHEN_STOPPED = "`--resume` goes on from the last checkpoint"


def _quiet() -> None:
    """Bars of rows and weights only where somebody watches. Set before the libraries are imported."""
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("TQDM_DISABLE", "1")


def _show(line: str) -> None:
    typer.echo(line, err=True)


def _train(method: str, kind: str, path: Path, dry_run: bool, resume: bool, data: str, output: str) -> dict[str, Any]:
    """Reads the configuration as class `kind`, then plans or trains with the module named as the method."""
    from importlib import import_module

    from trainer.config import read_config
    from trainer.setup import require_trl

    require_trl()
    place = "trainer.grpo_config" if method == "grpo" else "trainer.config"
    config = read_config(getattr(import_module(place), kind), path, data=data, output=output)
    module = import_module(f"trainer.{method}")
    if dry_run:
        return module.plan(config, _show)
    if config.execution.ray:
        from trainer.ray_train import train_on_ray

        return train_on_ray(config, method, resume, _show)
    return module.train(config, resume, _show)


def _command(method: str, kind: str, *asked: Any, as_json: bool) -> None:
    _quiet()
    with sentences(WHEN_STOPPED):
        facts = _train(method, kind, *asked)
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False))


@app.command()
def sft(
    config: ConfigPath,
    dry_run: DryRun = False,
    resume: Resume = False,
    data: Data = "",
    output: Output = "",
    as_json: AsJson = False,
) -> None:
    """Supervised fine-tuning on `sft` rows; with `redi`, weighted fine-tuning on pairs."""
    _command("sft", "SftConfig", config, dry_run, resume, data, output, as_json=as_json)


@app.command()
def dpo(
    config: ConfigPath,
    dry_run: DryRun = False,
    resume: Resume = False,
    data: Data = "",
    output: Output = "",
    as_json: AsJson = False,
) -> None:
    """Direct preference optimisation on `preference` rows: whole answers or single steps."""
    _command("dpo", "DpoConfig", config, dry_run, resume, data, output, as_json=as_json)


@app.command()
def grpo(
    config: ConfigPath,
    dry_run: DryRun = False,
    resume: Resume = False,
    data: Data = "",
    output: Output = "",
    as_json: AsJson = False,
) -> None:
    """Reinforcement learning on `rl` rows, with rewards for being right and brief."""
    _command("grpo", "GrpoConfig", config, dry_run, resume, data, output, as_json=as_json)


@app.command()
def merge(
    model_a: Annotated[str, typer.Argument(help="A model or adapter: folder or Hub id.")],
    model_b: Annotated[str, typer.Argument(help="Another of the same shape.")],
    output: Annotated[Path, typer.Argument(help="Folder of the merged model.")],
    weight: Annotated[float, typer.Option("--weight", min=0, max=1, help="Share of the first model.")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Mix the weights of a long and a short reasoner (Kimi k1.5's long2short merge)."""
    _quiet()
    with sentences(WHEN_STOPPED):
        from trainer.merge import merge_models
        from trainer.setup import require_trl

        require_trl()
        facts = merge_models(model_a, model_b, output, weight)
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False))
        else:
            typer.echo(f"wrote {output}: {facts['n_tensors']} tensors, {weight:g} of the first model")
