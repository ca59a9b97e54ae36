"""Tests of code problems in the forms in which other trainers run them.

tests and meta of a released problem ── verifiers.code.suite ──> inputs and outputs (verl) | cases, asserts (others)
"""

import ast
import json
from typing import Any

from trainer.export.target import LeftOut, Row
from verifiers.code.suite import AssertSuite, CallSuite, NoTests, StdioSuite, Suite, read_suite


def suite_of(row: Row) -> Suite:
    """Raises LeftOut where the tests cannot be used, or need a program that judges."""
    meta = json.loads(row["meta"] or "{}")
    try:
        suite = read_suite(row["tests"] or "", meta if isinstance(meta, dict) else {})
    except NoTests as reason:
        raise LeftOut(f"its tests cannot be used: {reason}") from None
    if isinstance(suite, StdioSuite) and suite.checker:
        raise LeftOut("a program of its own judges it")
    return suite


def inputs_and_outputs(suite: Suite) -> dict[str, Any]:
    """APPS' layout: arguments and results as JSON, one argument per line; `fn_name` for calls."""
    if isinstance(suite, StdioSuite):
        return {
            "inputs": [case.stdin for case in suite.cases],
            "outputs": [case.expected for case in suite.cases],
        }
    if isinstance(suite, CallSuite):
        if any(case.kwargs for case in suite.cases):
            raise LeftOut("its tests pass arguments by name")
        return {
            "fn_name": suite.function,
            "inputs": ["\n".join(map(_json, case.args)) for case in suite.cases],
            "outputs": [_json(case.expected) for case in suite.cases],
        }
    raise LeftOut("its tests are asserts")


def stdio_cases(suite: StdioSuite) -> list[dict[str, str]]:
    return [{"input": case.stdin, "output": case.expected} for case in suite.cases]


def assert_texts(suite: AssertSuite) -> list[str]:
    """One text per assert; a single one where they need what stands around them."""
    try:
        body = ast.parse(suite.source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise LeftOut("its asserts are no Python") from None
    if all(isinstance(line, ast.Assert) for line in body):
        return [ast.unparse(line) for line in body]
    calls_check = any(isinstance(line, ast.FunctionDef) and line.name == "check" for line in body)
    if not calls_check:
        return [suite.source]
    if not suite.entry_point:
        raise LeftOut("its tests do not name the function")
    return [f"{suite.source}\n\ncheck({suite.entry_point})"]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
