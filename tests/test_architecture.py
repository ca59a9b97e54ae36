"""Rules that hold the code together: import direction, light start-up, sizes, words."""

import ast
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "schemas": set(),
    "verifiers": {"schemas"},
    "pipeline": {"schemas"},
    "stages": {"schemas", "verifiers", "pipeline"},
    "trainer": {"schemas", "verifiers", "pipeline"},
}
OURS = {*ALLOWED, "tiny"}


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """First parts of the modules that a file imports, at any depth of the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_run_one_way(package):
    for path in python_files(package):
        may = {"trainer"} if path.name == "cli.py" else set()  # the one command line mounts `laconic train`
        forbidden = (imported(path) & OURS) - ALLOWED[package] - {package} - may
        assert not forbidden, f"{path.relative_to(ROOT)} imports {forbidden}"


def modules_after(code: str) -> set[str]:
    program = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_help_page_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['laconic', '--help']\n"
        "try:\n    from pipeline.cli import main; main()\nexcept SystemExit: pass"
    )
    heavy = {"ray", "torch", "vllm", "transformers", "datasets", "polars", "pyarrow", "pandas", "sympy", "pydantic"}
    assert not modules_after(code) & heavy


def test_listing_the_stages_loads_no_model_library():
    code = "from pipeline.lookup import stage_names; assert len(stage_names()) >= 9"
    assert not modules_after(code) & {"ray", "torch", "vllm", "transformers", "datasets", "sympy"}


def function_lengths(path: Path) -> list[tuple[int, str]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    return [((node.end_lineno or 0) - node.lineno + 1, f"{path.name}:{node.name}") for node in functions]


def test_files_and_functions_stay_small():
    files = python_files("schemas", "verifiers", "pipeline", "stages", "trainer")
    n_lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in files}
    assert not {name: n for name, n in n_lines.items() if n > 400}
    lengths = [length for path in files for length in function_lengths(path)]
    assert not [entry for entry in lengths if entry[0] > 80]
    assert statistics.median(length for length, _ in lengths) <= 12
    assert statistics.quantiles([length for length, _ in lengths], n=10)[-1] <= 40


def test_every_module_opens_with_what_it_is_for():
    bare = [path for path in python_files(*OURS) if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not bare


def test_only_the_runner_catches_broadly():
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files("schemas", "verifiers", "pipeline", "stages", "trainer")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and getattr(node.type, "id", "") in ("Exception", "BaseException")
        if not any(isinstance(line, ast.Raise) and line.exc is None for line in ast.walk(node))  # passes it on
    ]
    assert all(place.startswith("pipeline/cell.py") for place in broad), broad
