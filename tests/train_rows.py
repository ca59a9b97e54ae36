"""Rows and configurations for the tests of training: few, short, and solved by the embedded teacher's tokenizer."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.markup import render_completion
from trainer.config import DpoConfig, SftConfig

TEACHER = str(Path(__file__).parents[1] / "tiny" / "teacher")
CPU = {"device": "cpu"}


def turns(problem: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": problem}, {"role": "assistant", "content": answer}]


def answer(i: int, n_waits: int = 0) -> str:
    waits = "Wait, let me verify.\n\n" * n_waits
    return render_completion(f"Okay, let me start from {i}.\n\n{waits}{i} + 2 = {i + 2}.", f"The answer is {i + 2}.")


def sft_rows(n: int, **columns: list[Any]) -> list[dict[str, Any]]:
    rows = [{"problem_id": f"p{i}", "messages": turns(f"Start with {i}. Add 2.", answer(i, i % 3))} for i in range(n)]
    return [row | {name: values[i] for name, values in columns.items()} for i, row in enumerate(rows)]


def pair_rows(n: int) -> list[dict[str, Any]]:
    return [
        {
            "problem_id": f"p{i}",
            "prompt": [{"role": "user", "content": f"Start with {i}. Add 2."}],
            "chosen": answer(i),
            "rejected": answer(i, 2),
            "pair_kind": "long2short",
            "prefix": "",
        }
        for i in range(n)
    ]


def write(folder: Path, rows: list[dict[str, Any]], name: str = "rows.parquet") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / name)
    return str(folder / name)


def sft_config(data: str, output: Path | str, **fields: Any) -> SftConfig:
    return SftConfig(**_fields(data, output) | fields)


def dpo_config(data: str, output: Path | str, **fields: Any) -> DpoConfig:
    return DpoConfig(**_fields(data, output) | fields)


def _fields(data: str, output: Path | str) -> dict[str, Any]:
    return {
        "model": TEACHER, "data": data, "output": str(output), "learning_rate": 3e-4, "max_length": 512,
        "batch_size": 4, "micro_batch_size": 2, "dtype": "fp32", "execution": CPU,
    }  # fmt: skip
