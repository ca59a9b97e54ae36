"""A run with nothing to do: 100,000 rows through 8 nodes, run once to fill a store, then again in a fresh process.

    python -m benchmarks.warm [--rows 100000] [--data FILE] [--store FOLDER]

Prints wall time and peak memory of the whole second `laconic run` process, start-up and report included, beside the
goals: under 10 s and under 1 GB. The rows are short synthetic traces: a warm run never opens a text.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import print_result

RECIPE = """name: warm
nodes:
  traces: {{stage: ingest, path: {path}, rows: traces}}
  verified: {{stage: verify}}
  graded: {{stage: grade_pass_rate}}
  cut: {{stage: compress_first_correct}}
  verified_again: {{stage: verify}}
  unique: {{stage: dedup_exact}}
  selected:
    stage: select
    rules:
      - correct: {{column: outcome, is: correct}}
      - unique: {{column: duplicate_of, is_null: true}}
    keep: 1
    order_by: [n_reasoning_tokens, trace_id]
  shards: {{stage: shard}}
"""
GOAL_S, GOAL_MB = 10.0, 1000.0


def write_traces(path: Path, n_rows: int) -> None:
    """Four traces for each of n_rows / 4 sums; one in four is wrong."""
    with path.open("w") as file:
        for i in range(n_rows):
            a, b = i // 4, (i // 4) % 97
            value = a + b + (i % 4 == 3)
            thought = f"I add {a} and {b}.\n\nThe answer is {value}.\n\nWait, let me check: {a} + {b} = {value}."
            response = f"<think>\n{thought}\n</think>\n\nThe answer is \\boxed{{{value}}}."
            row = {"problem": f"What is {a} plus {b}?", "answer": str(a + b), "response": response, "sample": i % 4}
            file.write(json.dumps(row) + "\n")


def timed_run(recipe: Path, store: Path) -> tuple[float, float]:
    """Seconds and peak resident megabytes of one `laconic run`."""
    command = [sys.executable, "-m", "pipeline.cli", "run", str(recipe), "--store", str(store), "--json"]
    started = time.monotonic()
    with subprocess.Popen([*command, "--config", "ray_configs/inline.yaml"], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    if status:
        raise SystemExit(f"laconic run failed with status {status}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--data", help="traces to use instead of synthetic ones")
    parser.add_argument("--store", help="folder to keep the filled store in; a temporary one by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(arguments.data or f"{folder}/traces.jsonl")
        if not arguments.data:
            write_traces(source, arguments.rows)
        recipe = Path(folder) / "warm.yaml"
        recipe.write_text(RECIPE.format(path=source))
        store = Path(arguments.store or f"{folder}/store")
        cold_s, cold_mb = timed_run(recipe, store)
        warm_s, warm_mb = timed_run(recipe, store)
    print(f"{'run':<8}{'seconds':>10}{'peak MB':>10}")
    print(f"{'cold':<8}{cold_s:>10.1f}{cold_mb:>10.0f}")
    print(f"{'warm':<8}{warm_s:>10.1f}{warm_mb:>10.0f}   goals {GOAL_S:.0f} s, {GOAL_MB:.0f} MB")
    figures = {"warm_s": warm_s, "warm_mb": warm_mb, "cold_s": cold_s, "cold_mb": cold_mb, "rows": arguments.rows}
    print_result(figures, "polars", "pyarrow", "pydantic")


if __name__ == "__main__":
    main()
