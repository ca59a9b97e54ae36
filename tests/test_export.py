"""Exports: what other trainers read, read by those that are installed, and held to the source of those that are not."""

import json

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.lookup import ROOT
from schemas.release import FORMATS
from stages.shard import Shard
from tests.test_release_formats import COLUMNS, paired, row
from tests.test_shard import ORIGIN
from trainer.errors import TrainError
from trainer.export.export import TARGETS, export
from trainer.export.target import Options

STDIO = json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["2\n", "3\n"]})
CALLS = json.dumps({"inputs": [[[1, 2], "a"]], "outputs": [3], "fn_name": "add"})
ASSERTS = json.dumps({"test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]})
HUMAN_EVAL = json.dumps({"test": "def check(candidate):\n    assert candidate(1) == 2\n", "entry_point": "add"})


def release(folder, form, rows):
    frame = pl.from_arrow(pa.Table.from_pylist(rows, schema=pa.schema([column.field for column in COLUMNS])))
    Shard(format=form).run(iter([frame]), folder, ORIGIN)
    return folder


def problem(name, **columns):
    """A problem of its own with one correct trace."""
    return row(name, 9, problem_id=name, problem=f"Problem {name}?", **columns)


def exported(tmp_path, name, form, rows, **options):
    """(what the export says, its rows)."""
    source = release(tmp_path / "release", form, rows)
    said = export(source, name, tmp_path / "out", Options(**options))
    (file,) = [file for file in said["files"] if file["path"].startswith("train.")]
    path = tmp_path / "out" / file["path"]
    if path.suffix == ".jsonl":
        return said, [json.loads(line) for line in path.read_text().splitlines()]
    return said, pq.read_table(path).to_pylist()


TRACES = [problem("a"), problem("b", answer="7")]
PAIRS = paired(row("short", 10), row("wrong", 20, "incorrect"), row("long", 40))
ROWS = {"sft": TRACES, "preference": PAIRS, "rl": TRACES}
EVERY = [(name, target.form) for name, targets in TARGETS.items() for target in targets]


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_an_export_holds_every_row_and_the_same_bytes_twice(name, form, tmp_path):
    source = release(tmp_path / "release", form, ROWS[form])
    first, again = (export(source, name, tmp_path / place) for place in ("one", "two"))
    assert first == again and first["n_rows"] == 2 and first["left_out"] == {}
    assert first == json.loads((tmp_path / "one" / "export.json").read_text())


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_an_empty_release_gives_an_empty_file_or_is_refused_as_by_the_trainer(name, form, tmp_path):
    source = release(tmp_path / "release", form, [])
    with pytest.raises(TrainError, match="0 rows"):
        export(source, name, tmp_path / "out")


@pytest.mark.parametrize("name", TARGETS)
def test_a_release_of_the_wrong_format_is_refused_with_the_remedy(name, tmp_path):
    readable = {target.form for target in TARGETS[name]}
    for form in sorted(set(FORMATS) - readable):
        source = release(tmp_path / form, form, ROWS[form])
        with pytest.raises(TrainError, match=r"stage: shard, format: (sft|rl)"):
            export(source, name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_folder_an_unknown_format_and_a_missing_set_are_refused(tmp_path):
    source = release(tmp_path / "release", "sft", TRACES)
    with pytest.raises(TrainError, match="is not empty"):
        export(source, "trl", source)
    with pytest.raises(TrainError, match="no format `parquet`; there are: verl-rl"):
        export(source, "parquet", tmp_path / "out")
    with pytest.raises(TrainError, match=r"no `dataset\.json`"):
        export(tmp_path, "trl", tmp_path / "out")


def test_what_plain_training_would_learn_wrongly_is_left_out_and_named(tmp_path):
    masked = [{"start": 0, "end": 3, "kind": "masked"}]
    rows = [problem("a"), problem("b", weight=-0.8), problem("c", segments=masked), problem("d", weight=1.0)]
    said, lines = exported(tmp_path, "trl", "sft", rows)
    assert [line["problem_id"] for line in lines] == ["a", "d"]
    assert said["left_out"] == {"a part of it is masked from the loss": 1, "it has a weight of its own": 1}
    assert [line["problem_id"] for line in said["left_out_rows"]] == ["b", "c"]


def test_pairs_of_steps_are_left_out(tmp_path):
    (pair,) = PAIRS[0]["pairs"][:1]
    step = pair | {"prefix": "<think>\n", "chosen_text": "right", "rejected_text": "wrong"}
    said, lines = exported(tmp_path, "trl", "preference", [PAIRS[0] | {"pairs": [pair, step]}, *PAIRS[1:]])
    assert len(lines) == 1 and said["left_out"] == {"it is a pair of steps behind a prefix": 1}


def test_the_command_prints_counts_and_ends_a_mistake_with_its_sentence(tmp_path):
    source = release(tmp_path / "release", "rl", [problem("a"), problem("b", kind="open")])
    arguments = ["export", str(source), "verl-rl", str(tmp_path / "out"), "--instruction", "Box it."]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0 and "1 rows for verl-rl: train.parquet" in done.stdout
    assert "1 left out: no scorer of verl judges the kind `open`" in done.stdout
    assert pq.read_table(tmp_path / "out" / "train.parquet")["prompt"][0].as_py()[0]["content"].endswith("\n\nBox it.")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2 and "is not empty" in done.stderr


# verl 0.9.1. `RLHFDataset` (utils/dataset/rl_dataset.py) applies the chat template to `prompt` and passes data_source,
# reward_model["ground_truth"] and extra_info to `default_compute_score` (utils/reward_score/__init__.py), which raises
# for any data_source but those below; `MultiTurnSFTDataset` (utils/dataset/multiturn_sft_dataset.py) reads `messages`.
KNOWN_TO_VERL = {"lighteval/MATH", "taco"}


def test_a_verl_row_has_the_five_columns_and_a_source_that_its_scorer_knows(tmp_path):
    rows = [problem("a"), problem("b", kind="choice", answer="B"), problem("c", kind="code", answer=None, tests=STDIO)]
    said, lines = exported(tmp_path, "verl-rl", "rl", rows)
    assert said["n_rows"] == 3
    for line in lines:
        assert set(line) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
        assert line["data_source"] in KNOWN_TO_VERL and isinstance(line["reward_model"]["ground_truth"], str)
    assert lines[0]["reward_model"] == {"style": "rule", "ground_truth": "5"}
    assert [line["extra_info"]["index"] for line in lines] == [0, 1, 2]
    assert lines[0]["extra_info"] | {"split": "train", "problem_id": "a", "source": "sums"} == lines[0]["extra_info"]


def test_code_for_verl_is_json_of_inputs_and_outputs_as_apps_has_it(tmp_path):
    code = {"kind": "code", "answer": None, "meta": "{}"}
    rows = [problem("a", tests=STDIO, **code), problem("b", tests=CALLS, **code), problem("c", tests=ASSERTS, **code)]
    said, lines = exported(tmp_path, "verl-rl", "rl", rows)
    truths = [json.loads(line["reward_model"]["ground_truth"]) for line in lines]
    assert truths[0] == {"inputs": ["1\n", "2\n"], "outputs": ["2\n", "3\n"]}
    assert truths[1] == {"fn_name": "add", "inputs": ['[1, 2]\n"a"'], "outputs": ["3"]}
    assert said["left_out"] == {"its tests are asserts": 1}


def test_a_reward_function_of_your_own_takes_open_questions_too(tmp_path):
    _, lines = exported(tmp_path, "verl-rl", "rl", [problem("a", kind="open")], data_source="mine")
    assert [line["data_source"] for line in lines] == ["mine"]


def test_a_verl_sft_row_holds_the_turns(tmp_path):
    _, lines = exported(tmp_path, "verl-sft", "sft", TRACES)
    assert [turn["role"] for turn in lines[0]["messages"]] == ["user", "assistant"]
    assert lines[0]["messages"][1]["content"] == "<think>\na thinks.\n</think>\n\na says."


# open-instruct e6c3044. `rlvr_tokenize_v3` (dataset_transformation.py) pops `messages`, drops a final assistant turn,
# and wraps `ground_truth` and `dataset` in lists if `dataset` is a string; `build_all_verifiers`
# (ground_truth_utils.py) knows math, gsm8k, code and code_stdio, among others. The test server takes a list of asserts,
# or of {"input", "output"}, as JSON (code_utils/api.py).


def test_an_open_instruct_row_names_a_verifier_and_holds_what_it_is_given(tmp_path):
    code = {"kind": "code", "answer": None, "meta": "{}"}
    rows = [problem("a"), problem("b", tests=STDIO, **code), problem("c", tests=ASSERTS, **code)]
    rows += [problem("d", tests=HUMAN_EVAL, **code), problem("e", tests=CALLS, **code), problem("f", kind="open")]
    said, lines = exported(tmp_path, "open-instruct", "rl", rows)
    assert [line["dataset"] for line in lines] == ["math", "code_stdio", "code", "code"]
    assert lines[0]["messages"] == [{"role": "user", "content": "Problem a?"}] and lines[0]["ground_truth"] == "5"
    cases, asserts, check = (json.loads(line["ground_truth"]) for line in lines[1:])
    assert cases == [{"input": "1\n", "output": "2\n"}, {"input": "2\n", "output": "3\n"}]
    assert asserts == ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]
    assert check[0].endswith("\n\ncheck(add)") and said["n_left_out"] == 2


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        (json.dumps({"test": "assert ((", "entry_point": "f"}), "its asserts are no Python"),
        (json.dumps({"test": "def check(candidate):\n    assert candidate"}), "its tests do not name the function"),
        ("nothing", "its tests cannot be used: the tests are neither JSON nor Python text with an assert"),
        (json.dumps({"mode": "stdin", "cases": [{"input": "1", "output": "2"}], "checker": "print(1)"}),
         "a program of its own judges it"),
    ],
)  # fmt: skip
def test_tests_that_open_instruct_cannot_run_are_left_out(tests, reason, tmp_path):
    rows = [problem("a"), problem("b", kind="code", answer=None, tests=tests, meta="{}")]
    assert list(exported(tmp_path, "open-instruct", "rl", rows)[0]["left_out"]) == [reason]


# LLaMA-Factory 0.9.5. `SharegptDatasetConverter` (data/converter.py) wants human and gpt in turn, an even number of
# turns, or an odd one with `chosen` and `rejected` as turns if `ranking`; `DatasetAttr.join` (data/parser.py) sets
# every column that `columns` does not name to None, and all tags if `tags` is there, so it is not.


def test_sharegpt_traces_and_pairs_come_with_their_dataset_info(tmp_path):
    _, lines = exported(tmp_path / "sft", "sharegpt", "sft", TRACES)
    assert [turn["from"] for turn in lines[0]["conversations"]] == ["human", "gpt"]
    (info,) = json.loads((tmp_path / "sft/out/dataset_info.json").read_text()).items()
    columns = {"messages": "conversations"}
    assert info == ("toy", {"file_name": "train.jsonl", "formatting": "sharegpt", "columns": columns})
    _, lines = exported(tmp_path / "pairs", "sharegpt", "preference", PAIRS)
    assert set(lines[0]) == {"conversations", "chosen", "rejected"} and lines[0]["chosen"]["from"] == "gpt"
    (info,) = json.loads((tmp_path / "pairs/out/dataset_info.json").read_text()).values()
    assert info["ranking"] and info["columns"] == columns | {"chosen": "chosen", "rejected": "rejected"}


# TRL 1.16 and datasets, for real.


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), EVERY)
def test_datasets_loads_the_folder_as_it_is(name, form, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    _, lines = exported(tmp_path, name, form, ROWS[form])
    loaded = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.to_list() == lines


@pytest.fixture
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(ROOT / "tiny" / "teacher")


TRL_EXPORTS = [("trl", "sft"), ("trl", "preference"), ("trl", "rl"), ("trl-prompt-completion", "sft")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), TRL_EXPORTS)
def test_trl_sees_conversations_and_renders_them_with_the_thinking(name, form, tmp_path, tokenizer):
    from trl import apply_chat_template, is_conversational

    _, lines = exported(tmp_path, name, form, ROWS[form])
    for line in lines:
        turns = {key: line[key] for key in line if key in ("messages", "prompt", "completion", "chosen", "rejected")}
        assert is_conversational(turns)
        rendered = apply_chat_template(turns, tokenizer)
        assert form == "rl" or "thinks." in "".join(rendered.values())


def arguments(folder):
    return {"output_dir": str(folder), "max_steps": 1, "per_device_train_batch_size": 2, "report_to": "none",
            "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "save_strategy": "no",
            "disable_tqdm": True, "dataloader_pin_memory": False}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["trl", "trl-prompt-completion"])
def test_trl_takes_a_step_of_sft_on_the_export(name, tmp_path):
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    exported(tmp_path, name, "sft", TRACES)
    rows = Dataset.from_parquet(str(tmp_path / "out" / "train.parquet"), cache_dir=str(tmp_path / "cache"))
    config = SFTConfig(**arguments(tmp_path / "run"), max_length=256)
    trainer = SFTTrainer(model=str(ROOT / "tiny" / "teacher"), args=config, train_dataset=rows)
    assert trainer.train().global_step == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trl_takes_a_step_of_dpo_on_the_export(tmp_path):
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    exported(tmp_path, "trl", "preference", PAIRS)
    rows = Dataset.from_parquet(str(tmp_path / "out" / "train.parquet"), cache_dir=str(tmp_path / "cache"))
    config = DPOConfig(**arguments(tmp_path / "run"), max_length=256)
    trainer = DPOTrainer(model=str(ROOT / "tiny" / "teacher"), args=config, train_dataset=rows)
    assert trainer.train().global_step == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trl_rewards_the_gold_of_an_exported_problem(tmp_path):
    from trl.rewards import accuracy_reward

    golds = ["5", r"\frac{1}{2}", "x^2+1", "3.14", "(1, 2)", "12\\%"]
    rows = [problem(str(number), answer=gold) for number, gold in enumerate(golds)]
    _, lines = exported(tmp_path, "trl", "rl", rows)
    said = [[{"role": "assistant", "content": f"So it is \\boxed{{{gold}}}."}] for gold in golds]
    assert accuracy_reward(said, [line["solution"] for line in lines]) == [1.0] * len(golds)
    wrong = [[{"role": "assistant", "content": "So it is \\boxed{-77}."}] for _ in golds]
    assert accuracy_reward(wrong, [line["solution"] for line in lines]) == [0.0] * len(golds)
