"""The command line: `laconic plan|run|eval|train|export|status|show|diff|report|doctor|stages|recipes|gc`.

Commands parse, call one function of the engine room and print. Heavy imports wait until a command needs them, so that
`laconic --help` answers at once. A user's mistake ends with its sentence and exit code 2, a failed run with 1.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.exit_codes import sentences
from trainer.cli import app as train

if TYPE_CHECKING:
    from pipeline.execution import ExecutionConfig
    from pipeline.recipe import Recipe
    from pipeline.run import Run

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(train, name="train")

RecipeFile = Annotated[Path, typer.Argument(help="A recipe, e.g. recipes/quickstart.yaml.", metavar="RECIPE")]
StoreUrl = Annotated[str, typer.Option("--store", help="Folder or URI of the store.", envvar="LACONIC_STORE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Execution config, e.g. ray_configs/laptop.yaml.", envvar="LACONIC_CONFIG"),
]
Input = Annotated[str, typer.Option("--input", help="Another source in place of the recipe's own.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Take only so many problems; 0 takes all.")]
EngineName = Annotated[str, typer.Option("--engine", help="Another model for every engine; `tiny`: the embedded one.")]
STORE = ".laconic"


def _recipe(path: Path, input_: str, limit: int, engine: str) -> "Recipe":
    from pipeline.reader import Change
    from pipeline.recipe import Recipe

    return Recipe.read(path, Change(input=input_, limit=limit, engine=engine))


def _config(path: Path | None) -> "ExecutionConfig":
    from pipeline.execution import ExecutionConfig

    return ExecutionConfig.read(path) if path else ExecutionConfig()


def _open_run(store_url: str, run_id: str) -> "Run":
    from pipeline.run import Run
    from pipeline.store import Store

    return Run.open(Store.open(store_url, create=False), run_id)


def _print(as_json: bool, value: Any, show: Callable[[Any], None]) -> None:
    if as_json:
        typer.echo(json.dumps(value, ensure_ascii=False))
    else:
        show(value)


@app.command("run")
def run_command(
    recipe: RecipeFile,
    store: StoreUrl = STORE,
    config: ConfigFile = None,
    input: Input = "",
    limit: Limit = 0,
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Compute what is missing and write the dataset. Safe to kill; run again to go on."""
    from pipeline import summary
    from pipeline.progress import PlainProgress, TerminalProgress

    with sentences():
        from pipeline.facts import candidates, facts
        from pipeline.report import write_report
        from pipeline.run import run

        progress = TerminalProgress() if sys.stderr.isatty() and not as_json else PlainProgress()
        finished = run(_recipe(recipe, input, limit, engine), store, _config(config), progress)
        rows = candidates(finished)
        found = facts(finished, rows)
        _print(as_json, found | {"report": write_report(finished, rows, found)}, summary.print_run)


@app.command("plan")
def plan_command(
    recipe: RecipeFile,
    store: StoreUrl = STORE,
    config: ConfigFile = None,
    input: Input = "",
    limit: Limit = 0,
    engine: EngineName = "",
    as_json: AsJson = False,
) -> None:
    """Show what `run` would do: rows known and to compute, calls, tokens, time. Computes nothing."""
    from pipeline import summary

    with sentences():
        from pipeline.bind import bind
        from pipeline.plan import plan
        from pipeline.store import Store

        loaded, settings = _recipe(recipe, input, limit, engine), _config(config)
        nodes = bind(loaded, settings)
        plans = plan(loaded, nodes, Store.open(store, settings.partitions, create=False, or_empty=True))
        _print(as_json, [node.as_dict() for node in plans], summary.print_plan)


@app.command("eval")
def eval_command(
    model: Annotated[str, typer.Argument(help="A folder or Hub id of a model; `tiny`: the embedded one.")],
    problems: Annotated[str, typer.Argument(help="Problems with answers: a file, folder or data set.", metavar="SET")],
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")],
    samples: Annotated[int, typer.Option("--samples", min=1, max=1024, help="Answers per problem.")] = 8,
    temperature: Annotated[float, typer.Option("--temperature", min=0, max=2, help="0 is greedy.")] = 0.6,
    top_p: Annotated[float, typer.Option("--top-p", help="Samples from so much of the probability.")] = 0.95,
    budgets: Annotated[str, typer.Option("--budgets", help="Token budgets, e.g. 128,256,512.")] = "",
    against: Annotated[list[str] | None, typer.Option("--against", help="Another model; may be repeated.")] = None,
    prompt: Annotated[str, typer.Option("--prompt", help="User message with {problem} in it.")] = "{problem}",
    system: Annotated[str, typer.Option("--system", help="System message; none unless given.")] = "",
    prefill: Annotated[str, typer.Option("--prefill", help="Text that opens the answer, e.g. <think>.")] = "",
    token_counter: Annotated[str, typer.Option("--token-counter", help="Tokenizer that counts for all models.")] = "",
    seed: Annotated[int, typer.Option("--seed", help="Seed of samples and intervals.")] = 0,
    plot: Annotated[Path | None, typer.Option("--plot", help="Accuracy against tokens: .svg, .pdf or .png.")] = None,
    limit: Limit = 0,
    store: StoreUrl = STORE,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy and tokens of a model, or of several, on a set of problems. Answers are kept in the store."""
    from pipeline.progress import PlainProgress, TerminalProgress

    with sentences():
        from trainer import evaluation
        from trainer.evaluation_plot import plot_report, refuse_unplottable
        from trainer.evaluation_table import print_report

        if plot:
            refuse_unplottable(plot)
        asked = evaluation.read_config(
            problems=problems, max_tokens=max_tokens, samples=samples, temperature=temperature, top_p=top_p,
            budgets=evaluation.read_budgets(budgets), limit=limit, prompt=prompt, system=system, prefill=prefill,
            token_counter=token_counter, seed=seed,
        )  # fmt: skip
        progress = TerminalProgress() if sys.stderr.isatty() and not as_json else PlainProgress()
        models = tuple(dict.fromkeys((model, *(against or ()))))
        found = evaluation.report(evaluation.evaluate(models, asked, store, _config(config), progress), asked)
        if plot:
            plot_report(found, plot)
        _print(as_json, found | ({"plot": str(plot)} if plot else {}), print_report)


@app.command("export")
def export_command(
    dataset: Annotated[Path, typer.Argument(help="Folder of a released data set, with its dataset.json.")],
    format: Annotated[
        str, typer.Argument(help="verl-rl, verl-sft, open-instruct, sharegpt, trl or trl-prompt-completion.")
    ],
    folder: Annotated[Path, typer.Argument(help="A new folder to write to.")],
    instruction: Annotated[str, typer.Option("--instruction", help="Text behind every problem of an RL set.")] = "",
    data_source: Annotated[
        str, typer.Option("--data-source", help="Name of your own reward function, for RL sets.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write a released data set in the layout of another trainer."""
    with sentences():
        from pipeline.errors import LaconicError
        from trainer.errors import TrainError
        from trainer.export.export import export, lines
        from trainer.export.target import Options

        try:
            said = export(dataset, format, folder, Options(data_source=data_source, instruction=instruction))
        except TrainError as error:
            raise LaconicError(str(error)) from None
        _print(as_json, said | {"folder": str(folder)}, lambda value: typer.echo("\n".join(lines(value))))


@app.command()
def status(store: StoreUrl = STORE, as_json: AsJson = False) -> None:
    """List the runs of a store, and the bad rows of the latest."""
    from pipeline import queries, summary
    from pipeline.store import Store

    with sentences():
        _print(as_json, queries.status(Store.open(store, create=False)), summary.print_status)


@app.command()
def show(
    id: Annotated[str, typer.Argument(help="A problem_id or trace_id, or the beginning of one.")],
    run: Annotated[str, typer.Option("--run", help="The run to look at; the latest by default.")] = "",
    store: StoreUrl = STORE,
    as_json: AsJson = False,
) -> None:
    """Print a record's whole passage through a run: what each node wrote, and what rejected it."""
    from pipeline import queries, summary

    with sentences():
        _print(as_json, queries.passage(_open_run(store, run), id), summary.print_passage)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A run.", metavar="RUN")],
    new: Annotated[str, typer.Argument(help="Another run.", metavar="RUN")],
    store: StoreUrl = STORE,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: what changed in the recipe, and which rows came, went or changed."""
    from pipeline import queries, summary

    with sentences():
        compared = queries.difference(_open_run(store, old), _open_run(store, new))
        _print(as_json, compared, summary.print_difference)


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="The run; the latest by default.")] = "",
    store: StoreUrl = STORE,
    as_json: AsJson = False,
) -> None:
    """Write the report of a run again and print its path."""
    with sentences():
        from pipeline.facts import candidates, facts
        from pipeline.report import write_report

        finished = _open_run(store, run)
        rows = candidates(finished)
        path = write_report(finished, rows, facts(finished, rows))
        _print(as_json, {"report": path}, lambda value: typer.echo(value["report"]))


@app.command()
def gc(
    keep: Annotated[int, typer.Option("--keep", min=1, help="Finished runs to keep, the latest of each recipe.")] = 2,
    calls: Annotated[bool, typer.Option("--calls", help="Also remove answers of models not in use.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    store: StoreUrl = STORE,
    as_json: AsJson = False,
) -> None:
    """Remove what no kept run refers to. Answers of models are kept unless --calls is given: they cost most."""
    from pipeline import summary

    with sentences():
        from pipeline.gc import collect
        from pipeline.store import Store

        _print(as_json, collect(Store.open(store, create=False), keep, calls, dry_run), summary.print_gc)


@app.command()
def stages(
    name: Annotated[str, typer.Argument(help="One stage, with its fields.")] = "", as_json: AsJson = False
) -> None:
    """List the stages that a recipe can name, or one with its fields."""
    from pipeline import queries, summary

    with sentences():
        _print(as_json, queries.stages(name), summary.print_stages)


@app.command()
def recipes(as_json: AsJson = False) -> None:
    """List the recipes that ship."""
    from pipeline import queries, summary

    _print(as_json, queries.recipes(), summary.print_recipes)


@app.command()
def doctor(store: StoreUrl = STORE, as_json: AsJson = False) -> None:
    """Check this installation: packages, engines, Ray, disk. Exit code 1 if something is broken."""
    from pipeline import summary
    from pipeline.doctor import examine

    checks = examine(store)
    _print(as_json, checks, summary.print_doctor)
    if any(check["state"] == "broken" for check in checks):
        raise typer.Exit(1)


def main() -> None:
    """Entry point of `laconic`. Refuses to start where another distribution hides one of the project's packages."""
    from pipeline.doctor import intruders

    found = intruders()
    if found:
        typer.echo(f"error: {found[0]}", err=True)
        raise SystemExit(2)
    app()


if __name__ == "__main__":
    main()
