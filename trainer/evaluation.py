"""How right and how long a model answers a set of problems: a recipe of three nodes, run like any other.

    MODEL, SET ── ingest -> generate k samples -> verify ── store, engines ──> answers ── figures ──> table, JSON, plot

Every answer lies in the store under what the model saw, so 8 samples after 4 pay for 4, a smaller token budget is read
off the same answers, and a model evaluated before is only read. Samples have the same seeds for every model. Tokens are
those of reasoning and response, without the markup between them, all by one counter. A verdict that says nothing about
the answer (`timeout`, `crashed`, `ungradable`) is left out of the accuracy, as in pass rates, and its share is shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline.bind import bind
from pipeline.engines.build import backend_of, is_scripted
from pipeline.engines.engine import EngineSpec
from pipeline.errors import RecipeError, RunFailed
from pipeline.execution import ExecutionConfig
from pipeline.lookup import resolve, stage_class
from pipeline.progress import Progress, silent
from pipeline.reader import Change
from pipeline.recipe import Node, Recipe
from pipeline.run import Run, run
from schemas.tokens import ESTIMATE
from schemas.verdict import Outcome
from trainer.evaluation_answers import Answers, difference, figures, level_in

DECIDED = (Outcome.CORRECT, Outcome.INCORRECT, Outcome.UNPARSED)
COLUMNS = ("problem_id", "outcome", "finish_reason", "n_reasoning_tokens", "n_response_tokens")


class EvaluationConfig(BaseModel):
    """What is asked and how; the same for every model that is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    problems: str
    """The set: a file or folder that `ingest` reads, `hf://org/name`, or the folder of a released data set."""
    max_tokens: int = Field(ge=1)
    """Longest answer, thinking included, in tokens."""
    samples: int = Field(default=8, ge=1, le=1024)
    """Answers per problem."""
    temperature: float = Field(default=0.6, ge=0, le=2)
    """0 is greedy and makes sense for a single sample only."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Samples from the smallest set of tokens with this much probability."""
    budgets: tuple[int, ...] = ()
    """Token budgets: an answer that is longer counts as wrong."""
    limit: int = Field(default=0, ge=0)
    """Only so many problems; 0 takes all."""
    system: str = ""
    """System message; empty sends none."""
    prompt: str = "{problem}"
    """User message; `{problem}` stands for the problem's text."""
    prefill: str = ""
    """Text that opens the assistant's turn."""
    token_counter: str = ""
    """Tokenizer that counts all answers; empty takes the first model's own, or an estimate where it cannot be read."""
    seed: int = 0
    """Seed of the samples and of the bootstrap."""

    @field_validator("budgets")
    @classmethod
    def _in_order(cls, budgets: tuple[int, ...]) -> tuple[int, ...]:
        if any(budget < 1 for budget in budgets):
            raise ValueError("a budget is a number of tokens above 0")
        return tuple(sorted(set(budgets)))


@dataclass(frozen=True)
class Evaluation:
    """A model's answers to a set, and what they took this time."""

    model: str
    run: str
    token_counter: str
    answers: Answers
    left_out: dict[str, int]
    """Problems without an answer by the node at which they failed; rows of the source that are none among them."""
    n_calls: int
    n_recalled_calls: int
    n_new_tokens: int


def read_config(**fields: Any) -> EvaluationConfig:
    """Raises RecipeError with every mistake, in the words of the command line."""
    try:
        config = EvaluationConfig(**fields)
    except ValidationError as error:
        lines = [f"--{_option(e)}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors(include_url=False)]
        raise RecipeError("\n".join(lines)) from None
    if too_large := [budget for budget in config.budgets if budget > config.max_tokens]:
        raise RecipeError(
            f"--budgets: {too_large[0]} is above --max-tokens {config.max_tokens}, and no answer can be longer"
        )
    return config


def read_budgets(text: str) -> tuple[int, ...]:
    """`128,256,512` as numbers. Raises RecipeError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if bad := [part for part in parts if not part.isdecimal()]:
        raise RecipeError(f"--budgets: {bad[0]!r} is no number of tokens; write e.g. 128,256,512")
    return tuple(map(int, parts))


def _option(mistake: Any) -> str:
    name = str(mistake["loc"][0])
    return "set" if name == "problems" else name.replace("_", "-")


def evaluate(
    models: tuple[str, ...],
    config: EvaluationConfig,
    store: str,
    execution: ExecutionConfig,
    progress: Progress = silent,
) -> list[Evaluation]:
    """One evaluation per model, in order. Raises RecipeError before any work, RunFailed with every answer kept."""
    recipes = [recipe_of(model, config, _counter(models[0], config, execution)) for model in models]
    for recipe in recipes:
        bind(recipe, execution)  # a mistake in the last model is found before the first one is asked
    _refuse_without_answers(recipes[0], config.problems)
    return [
        evaluation_of(run(recipe, store, execution, progress), model)
        for recipe, model in zip(recipes, models, strict=True)
    ]


def recipe_of(model: str, config: EvaluationConfig, token_counter: str) -> Recipe:
    """The recipe named `eval-<set>-<model>`; its engine bears the model's name, for `engines` of a config."""
    engine = slug(model)
    names = ("samples", "temperature", "top_p", "max_tokens", "system", "prompt", "prefill")
    settings = {name: getattr(config, name) for name in names}
    fields: dict[str, tuple[str, dict[str, Any]]] = {
        "problems": ("ingest", _source(config)),
        "answers": ("generate", {"engine": engine, "token_counter": token_counter} | settings),
        "verified": ("verify", {}),
    }
    return Recipe(
        name=f"eval-{slug(config.problems)}-{engine}",
        seed=config.seed,
        max_bad_share=1,  # of a released data set every further trace of a problem is a "bad" row of the source
        engines={engine: _engine(model)},
        nodes={name: Node(stage=stage_class(stage)(**given)) for name, (stage, given) in fields.items()},
    )


def _engine(model: str) -> EngineSpec:
    spec = Change(engine=model).engine_spec(EngineSpec(model=model))
    return spec.model_copy(update={"model": _found(spec.model)})


def _found(place: str) -> str:
    """The absolute path of what is on this machine, since workers have a working folder of their own."""
    path = Path(resolve(place))
    return str(path.resolve()) if "://" not in place and path.exists() else place


def slug(place: str) -> str:
    """The last part of a path or name in the letters that a recipe's name may have."""
    last = place.rstrip("/").rpartition("/")[2].removesuffix(".jsonl").removesuffix(".parquet")
    letters = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in last.lower())
    return "-".join(part for part in letters.split("-") if part)[:48] or "unnamed"


def _source(config: EvaluationConfig) -> dict[str, Any]:
    """Of a released data set only the rows that were released, and their kinds as they stand."""
    place = _found(config.problems)
    if Path(place, "dataset.json").is_file():
        return {"path": str(Path(place, "data")), "columns": {"kind": "kind"}, "limit": config.limit}
    return {"path": place, "limit": config.limit}


def _counter(model: str, config: EvaluationConfig, execution: ExecutionConfig) -> str:
    if config.token_counter:
        return config.token_counter
    spec = _engine(model)
    served = backend_of(spec, execution.engine(slug(model))) == "openai"
    absent = spec.model.startswith((".", "/", "~")) and not Path(spec.model).is_dir()
    return ESTIMATE if served or absent or is_scripted(spec) else spec.model


def _refuse_without_answers(recipe: Recipe, place: str) -> None:
    """Reads the source up to the first problem that can be judged."""
    source, n_problems = recipe.nodes["problems"].stage, 0
    for row in source.run():
        if isinstance(row, dict):
            n_problems += 1
            if row["answer"] or row["tests"]:
                return
    if n_problems:
        raise RecipeError(
            f"{place}: none of its {n_problems:,} problems has an answer or tests, so nothing can be judged; "
            "give a set with a column `answer`"
        )


def evaluation_of(finished: Run, model: str) -> Evaluation:
    """Reads the answers of a finished run."""
    entry = finished.node("answers")
    rows = finished.frame("verified", list(COLUMNS))
    left_out = {name: n for name in finished.manifest["nodes"] if (n := finished.node(name)["n_failed"])}
    if rows.is_empty():
        reasons = [finished.bad_rows(name)["reason"][0] for name in left_out]
        raise RunFailed(f"{model} has not answered a single problem" + "".join(f"; {reason}" for reason in reasons[:1]))
    problems = finished.frame("problems", ["problem_id", "meta"])
    levels = {problem_id: level_in(meta) for problem_id, meta in problems.iter_rows()}
    answers = rows.select(
        "problem_id",
        level=pl.col("problem_id").replace_strict(levels, return_dtype=pl.String),
        decided=pl.col("outcome").is_in([outcome.value for outcome in DECIDED]),
        correct=pl.col("outcome") == Outcome.CORRECT.value,
        truncated=pl.col("finish_reason") == "length",
        n_tokens=pl.col("n_reasoning_tokens") + pl.col("n_response_tokens"),
    )
    stage, calls = finished.manifest["recipe"]["nodes"]["answers"], entry["calls"]
    return Evaluation(
        model=model,
        run=finished.id,
        token_counter=stage["token_counter"],
        answers=Answers(answers),
        left_out=left_out,
        n_calls=calls["n_made"],
        n_recalled_calls=calls["n_recalled"],
        n_new_tokens=calls["n_new_tokens"],
    )


def report(evaluations: list[Evaluation], config: EvaluationConfig) -> dict[str, Any]:
    """All figures, ready for JSON; `differences` are those of the first model to each other one."""
    first, *others = evaluations
    settings = config.model_dump(mode="json", exclude={"problems", "token_counter"})
    return {
        "set": config.problems,
        "settings": settings | {"token_counter": first.token_counter},
        "models": [_model_figures(evaluation, config) for evaluation in evaluations],
        "differences": [
            {"model": first.model, "to": other.model} | difference(first.answers, other.answers, config.seed)
            for other in others
        ],
    }


def _model_figures(evaluation: Evaluation, config: EvaluationConfig) -> dict[str, Any]:
    answers = evaluation.answers
    levels = {level: figures(answers.of_level(level), config.budgets, config.seed) for level in answers.levels}
    taken = {name: getattr(evaluation, name) for name in ("left_out", "n_calls", "n_recalled_calls", "n_new_tokens")}
    own = figures(answers, config.budgets, config.seed)
    return {"model": evaluation.model, "run": evaluation.run, **own, "levels": levels, **taken}
