r"""Problems for verl's RL trainers: one Parquet file of `RLHFDataset`.

    problem ──> data_source, prompt, ability, reward_model {style, ground_truth}, extra_info

`data_source` chooses the function that scores (`verl/utils/reward_score/__init__.py`, default_compute_score, 0.9.1; an
unknown name raises there): math and choice go to MATH's, which compares the last \boxed{} with the gold as Hendrycks
does, code to TACO's, whose ground truth is APPS' JSON of inputs and outputs. Its `math_dapo` compares boxed
answers letter by letter and looks at the last 300 characters only. Give `data_source` a name of your own together with
a custom reward function; then open questions are exported as well. Prompts do not ask for a box: set `instruction`.
"""

import json
from typing import Any

import pyarrow as pa

from schemas.problem import Kind
from trainer.export.code_tests import inputs_and_outputs, suite_of
from trainer.export.target import TEXT, TURNS, LeftOut, Options, Row, Target, prompt_of

DATA_SOURCES = {Kind.MATH: "lighteval/MATH", Kind.CHOICE: "lighteval/MATH", Kind.CODE: "taco"}
SCHEMA = pa.schema(
    [
        pa.field("data_source", TEXT),
        pa.field("prompt", TURNS),
        pa.field("ability", TEXT),
        pa.field("reward_model", pa.struct([pa.field("style", TEXT), pa.field("ground_truth", TEXT)])),
        pa.field(
            "extra_info",
            pa.struct(
                [
                    *(pa.field(name, TEXT) for name in ("split", "problem_id", "source", "level")),
                    pa.field("index", pa.int64()),
                    pa.field("pass_rate", pa.float64()),
                    *(pa.field(name, pa.int32()) for name in ("ref_len", "ref_len_p50")),
                ]
            ),
        ),
    ]
)


def convert(row: Row, index: int, options: Options) -> dict[str, Any]:
    data_source = options.data_source or DATA_SOURCES.get(row["kind"], "")
    if not data_source:
        raise LeftOut(f"no scorer of verl judges the kind `{row['kind']}`; name a `data_source` of your own")
    known = {name: row[name] for name in ("problem_id", "source", "level", "pass_rate", "ref_len", "ref_len_p50")}
    return {
        "data_source": data_source,
        "prompt": prompt_of(row, options),
        "ability": row["kind"],
        "reward_model": {"style": "rule", "ground_truth": _ground_truth(row)},
        "extra_info": known | {"split": options.split, "index": index},
    }


def _ground_truth(row: Row) -> str:
    if row["kind"] == Kind.CODE:
        return json.dumps(inputs_and_outputs(suite_of(row)), ensure_ascii=False)
    if not row["answer"]:
        raise LeftOut("it has no answer")
    answer: str = row["answer"]
    return answer


TARGETS = (Target("rl", convert, SCHEMA, ("prompt.list.element.content", "reward_model.ground_truth")),)
