"""What all tests share: hypothesis without deadlines (the machine may be busy), and files of small sums."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("laconic", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laconic")


@pytest.fixture
def write_problems(tmp_path: Path) -> Callable[..., str]:
    """`write_problems(n)` writes n sums with their answers and returns the file's name; `first` shifts the numbers."""

    def write(n: int, name: str = "problems.jsonl", first: int = 0) -> str:
        numbers = range(first, first + n)
        lines = [json.dumps({"problem": f"What is {i} + {2 * i}?", "answer": str(3 * i)}) for i in numbers]
        (tmp_path / name).write_text("".join(line + "\n" for line in lines))
        return str(tmp_path / name)

    return write
