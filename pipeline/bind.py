"""From a recipe to bound nodes: columns checked, paths and seeds filled in, fingerprints taken."""

from pathlib import Path

from pipeline.check import bound_reads, check, input_columns, output_columns
from pipeline.engines import build
from pipeline.errors import RecipeError
from pipeline.execution import ExecutionConfig
from pipeline.fingerprint import digest, identity
from pipeline.node import BoundNode
from pipeline.recipe import Recipe


def bind(recipe: Recipe, config: ExecutionConfig) -> dict[str, BoundNode]:
    """Nodes by name, in order. Raises RecipeError with every mistake."""
    recipe = recipe.seeded()
    stages = {name: node.stage for name, node in recipe.nodes.items()}
    parents = {name: recipe.parents(name) for name in stages}
    mistakes = check(stages, parents, recipe.engines, config)
    if mistakes:
        raise RecipeError("\n".join(recipe.place(mistake) for mistake in mistakes))
    bound: dict[str, BoundNode] = {}
    for name in stages:
        bound[name] = _bind_node(recipe, name, parents[name], bound)
    return bound


def _bind_node(recipe: Recipe, name: str, after: tuple[str, ...], above: dict[str, BoundNode]) -> BoundNode:
    stage = recipe.nodes[name].stage
    columns = input_columns(dict(above[parent].columns) for parent in after) or {}
    reads = bound_reads(stage, columns)
    engine = getattr(stage, "engine", None)
    engine_identity = _engine_identity(recipe, engine)
    named = identity(stage, reads, engine_identity)
    return BoundNode(
        name=name,
        stage=stage,
        after=after,
        reads=reads,
        columns=output_columns(stage, columns),
        fresh=tuple(column.name for column in stage.writes if column.name not in columns),
        fingerprint=digest(named),
        identity=named,
        engine=engine,
        engine_identity=engine_identity,
        engine_label=_engine_label(recipe, engine),
    )


def _engine_identity(recipe: Recipe, engine: str | None) -> dict[str, str] | None:
    return None if engine is None else build.identity(recipe.engines[engine])


def _engine_label(recipe: Recipe, engine: str | None) -> tuple[str, str]:
    """(name, revision): for a folder its last part and a digest of its files, so that no path enters a row."""
    if engine is None:
        return "", ""
    spec, folder = recipe.engines[engine], Path(recipe.engines[engine].model)
    if not folder.is_dir():
        return spec.model, spec.revision
    return folder.name, build.folder_digest(folder)[:16]
