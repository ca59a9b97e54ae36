"""What every stage must keep, whoever wrote it: found in `stages/`, so that a new stage gets these for nothing."""

import ast
import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.check import bound_reads
from pipeline.fingerprint import digest, identity
from pipeline.lookup import ROOT, alias, stage_class, stage_names
from pipeline.stage import Artifact, Fan, Group, Map, Source, Stage, Table
from schemas import columns
from schemas.columns import Column, Level

MINIMAL = {
    "decontaminate": {"sets": [{"name": "tiny", "path": "tiny/problems.jsonl"}]},
    "embed": {"embedder": {"model": "tiny/teacher"}},
    "ingest": {"path": "tiny/problems.jsonl"},
    "match_budget": {"method": "asap"},
    "pair_adar1": {"long": ["deliberate"], "short": ["brief"]},
    "rank_limr": {"log": "tests/reward_log.csv"},
    "rank_reward_variance": {"log": "tests/reward_log.csv"},
    "select": {"rules": [{"correct": {"column": "outcome", "is": "correct"}}]},
}
"""Fields without a default; a stage that calls a model has one more, its `engine`."""
DIGESTS = Path(__file__).parent / "stage_digests.json"
DECLARED = {column.name: column for column in vars(columns).values() if isinstance(column, Column)}


def minimal(name: str) -> dict:
    calls_a_model = "engine" in stage_class(name).model_fields
    return ({"engine": "teacher"} if calls_a_model else {}) | MINIMAL.get(name, {})


def build(name: str) -> Stage:
    return stage_class(name).model_validate(minimal(name))


every_stage = pytest.mark.parametrize("name", stage_names())


@every_stage
def test_a_stage_has_one_of_the_shapes_and_a_version(name):
    stage = build(name)
    assert isinstance(stage, Source | Map | Fan | Group | Table | Artifact)
    assert isinstance(stage.version, int) and stage.version >= 1
    assert not isinstance(stage, Fan) or isinstance(stage.beside, bool)


@every_stage
def test_a_stage_reads_and_writes_declared_columns(name):
    stage = build(name)
    assert all(DECLARED.get(column.name) == column for column in stage.writes)
    assert set(stage.reads) | set(stage.reads_if_present) <= set(DECLARED)
    assert bool(stage.writes) != isinstance(stage, Artifact)


@every_stage
def test_a_new_candidate_brings_every_column_that_describes_it(name):
    stage = build(name)
    if isinstance(stage, Fan):
        written = {column.name for column in stage.writes}
        assert {column.name for column in columns.TRACE_COLUMNS} <= written


@every_stage
def test_a_stage_survives_pickling_with_its_identity(name):
    stage = build(name)
    again = pickle.loads(pickle.dumps(stage))
    assert identity(again, again.reads, None) == identity(stage, stage.reads, None)


def test_fingerprints_are_the_same_in_another_process():
    program = (
        "from tests.test_contract import build, stage_names, digest, identity\n"
        "print({n: digest(identity(build(n), build(n).reads, None)) for n in stage_names()})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    here = {name: digest(identity(build(name), build(name).reads, None)) for name in stage_names()}
    assert done.stdout.strip() == str(here)


@every_stage
def test_a_field_at_its_default_is_not_part_of_the_identity(name):
    stage = build(name)
    explicit = type(stage).model_validate(stage.model_dump(exclude={"rules"}) | minimal(name))
    assert identity(explicit, explicit.reads, None) == identity(stage, stage.reads, None)


@every_stage
def test_every_field_is_explained(name):
    fields = stage_class(name).model_fields
    assert not [field for field, info in fields.items() if not (info.description or "").endswith(".")]


def modules_behind(module: str) -> set[str]:
    """The module and every module of schemas, verifiers and stages that it leans on, directly or not."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse(file_of(name).read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
                "schemas",
                "verifiers",
                "stages",
            ):
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                waiting += [name for name in (node.module, *inner) if file_of(name).exists()]
    return found


def file_of(module: str) -> Path:
    path = ROOT / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def syntax_digest(name: str) -> str:
    """Digest of the syntax trees behind a stage, without docstrings: comments and layout may change freely."""
    trees = [bare_tree(file_of(module)) for module in sorted(modules_behind(f"stages.{name}"))]
    return hashlib.blake2b("\n".join(trees).encode(), digest_size=8).hexdigest()


def bare_tree(path: Path) -> str:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return ast.dump(tree)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def test_changed_code_has_a_changed_version():
    """After a change that cannot alter what is written: `python -m tests.test_contract` records the new digests."""
    recorded = json.loads(DIGESTS.read_text())
    now = {name: [build(name).version, syntax_digest(name)] for name in stage_names()}
    stale = [name for name in now if recorded.get(name) != now[name] and recorded.get(name, [0])[0] == now[name][0]]
    assert not stale, f"code changed, `version` did not: {stale}; raise it, or record that nothing written changes"
    assert recorded == now, "record the new versions: python -m tests.test_contract"


@every_stage
def test_a_recipe_finds_the_stage_by_the_name_of_its_module(name):
    assert alias(stage_class(name)) == name


def test_optional_columns_are_read_only_where_they_exist():
    stage = build("dedup_minhash")
    assert set(bound_reads(stage, {})) == set(stage.reads)
    assert {"duplicate_of"} <= set(bound_reads(stage, {"duplicate_of": columns.DUPLICATE_OF}))


def test_column_names_are_unique_and_explained():
    found = [column for column in vars(columns).values() if isinstance(column, Column)]
    assert len({column.name for column in found}) == len(found)
    assert all(column.unit and column.doc.endswith(".") and column.level in Level for column in found)


if __name__ == "__main__":
    lines = {name: [build(name).version, syntax_digest(name)] for name in stage_names()}
    DIGESTS.write_text(json.dumps(lines, indent=1) + "\n")
