"""Write `tiny/problems.jsonl`: the problems that ship with the product, with gold answers.

    python -m tiny.make_problems

Fifty held-out problems of each level of the tiny world, forty beyond the teacher's range (`tiny.beyond`), and relatives
of some of them, so that deduplication has something to find and something to leave alone: exact copies under another
source, near duplicates (other spacing, capitals or wording) and look-alikes with another start value, which are no
duplicates. `meta.relation` says which is which. Deterministic: the same code writes the same bytes.
"""

import json
import random
from dataclasses import replace
from pathlib import Path

from tiny.beyond import beyond_problems
from tiny.world import LEVELS, Problem, sample_problem

PROBLEMS_PATH = Path(__file__).parent / "problems.jsonl"
SEED = 20
N_PER_LEVEL = 50
N_EXACT_COPIES, N_NEAR_DUPLICATES, N_NUMBER_CHANGED = 6, 12, 8
LICENSE = "CC0-1.0"
WORLD, MIRROR = "tiny-world", "tiny-mirror"

Row = dict[str, object]

REWORDINGS = (
    ("Start with", "Begin with"),
    ("Take the number", "Please take the number"),
    ("keeps a diary for the next days", "keeps a diary for the following days"),
    ("What is the result?", "What result do you get?"),
    ("Which number do you get?", "Which number do you end up with?"),
    ("in the end?", "at the end?"),
)


def row(source_id: str, problem: str, answer: str, level: str, *, source: str = WORLD, **meta: object) -> Row:
    """One line of the file; every row has the same keys with the same types."""
    full_meta = {"topic": "", "n_ops": 0, "relation": "original", "relative": ""} | meta
    return {
        "problem": problem,
        "answer": answer,
        "kind": "math",
        "source": source,
        "source_id": source_id,
        "license": LICENSE,
        "level": level,
        "meta": full_meta,
    }


def list_row(source_id: str, problem: Problem, *, source: str = WORLD, **meta: object) -> Row:
    meta = {"topic": problem.form, "n_ops": len(problem.ops)} | meta
    return row(source_id, problem.text, str(problem.answer), str(problem.level), source=source, **meta)


def draw_list_problems(rng: random.Random) -> list[Problem]:
    """Held-out problems of all levels, no text twice."""
    drawn: dict[str, Problem] = {}
    for level in LEVELS:
        n_before = len(drawn)
        while len(drawn) - n_before < N_PER_LEVEL:
            problem = sample_problem(rng, level, held_out=True)
            drawn.setdefault(problem.text, problem)
    return list(drawn.values())


def disturb(text: str, index: int) -> str:
    """The same problem as another site might print it: spacing, capitals or wording, by turns."""
    if index % 3 == 0:
        return text.replace("\n", "  \n").replace(" ", "  ", 3) + " "
    if index % 3 == 1:
        return text.upper()
    for old, new in REWORDINGS:
        text = text.replace(old, new)
    return text


def number_changes(problem: Problem) -> list[Problem]:
    """All held-out problems of the same words and level that differ in the start value alone."""
    bounds = LEVELS[problem.level]
    changed = [replace(problem, start=start) for start in range(2, bounds.value_max) if start != problem.start]
    return [other for other in changed if other.held_out and other.fits(bounds.value_max)]


def relatives(problems: list[Problem], rng: random.Random) -> list[Row]:
    """Exact copies, near duplicates and look-alikes of randomly chosen problems, each of another problem."""
    chosen = rng.sample(range(len(problems)), len(problems))
    rows = []
    for index in range(N_EXACT_COPIES):
        original = chosen.pop()
        relation = {"relation": "exact_copy", "relative": source_id_of(original)}
        rows.append(list_row(f"copy-{index:02}", problems[original], source=MIRROR, **relation))
    for index in range(N_NEAR_DUPLICATES):
        original = chosen.pop()
        relation = {"relation": "near_duplicate", "relative": source_id_of(original)}
        near = list_row(f"near-{index:02}", problems[original], source=MIRROR, **relation)
        rows.append(near | {"problem": disturb(problems[original].text, index)})
    changeable = [original for original in chosen if number_changes(problems[original])]
    for index, original in enumerate(changeable[:N_NUMBER_CHANGED]):
        relation = {"relation": "number_changed", "relative": source_id_of(original)}
        changed = rng.choice(number_changes(problems[original]))
        rows.append(list_row(f"like-{index:02}", changed, source=MIRROR, **relation))
    return rows


def source_id_of(index: int) -> str:
    return f"tiny-{index:04}"


def make_rows() -> list[Row]:
    """All rows in a mixed order, in which an original stands before its relatives."""
    rng = random.Random(SEED)
    problems = draw_list_problems(rng)
    rows = [list_row(source_id_of(index), problem) for index, problem in enumerate(problems)]
    rows += [
        row(f"beyond-{index:02}", text, answer, "beyond", topic=topic)
        for index, (topic, text, answer) in enumerate(beyond_problems(rng))
    ]
    rng.shuffle(rows)
    for relative in relatives(problems, rng):
        original_at = next(at for at, made in enumerate(rows) if made["source_id"] == relative["meta"]["relative"])
        rows.insert(rng.randint(original_at + 1, len(rows)), relative)
    return rows


def render(rows: list[Row]) -> str:
    return "".join(json.dumps(made, ensure_ascii=False) + "\n" for made in rows)


def main() -> None:
    rows = make_rows()
    PROBLEMS_PATH.write_text(render(rows), encoding="utf-8")
    print(f"{len(rows)} problems -> {PROBLEMS_PATH}")


if __name__ == "__main__":
    main()
