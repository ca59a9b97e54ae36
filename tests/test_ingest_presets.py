"""Published column conventions are recognised and read; the real files here are mapped as a person would."""

import json
import os
from pathlib import Path

import pytest

from stages.ingest import Ingest

DATA = Path(os.environ.get("LACONIC_DATA", "../shared/data"))
needs_data = pytest.mark.skipif(not DATA.exists(), reason="no real files here")
TURNS = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
SHAREGPT = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "<think>t</think>a"}]


def read(tmp_path, record, rows="traces", **options):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(record))
    source = Ingest(path=str(path), rows=rows, **options)
    assert source.problems() == []
    return list(source.run())


CASES = [
    ("gsm8k", {"question": "q", "answer": "1 + 1\n#### 2"}, {"problem": "q", "answer": "2", "kind": "math"}),
    ("limo", {"question": "q", "solution": "so 2", "answer": "2"}, {"answer": "2", "response": "so 2"}),
    (
        "s1k",
        {"question": "q", "solution": "\\boxed{2}", "deepseek_thinking_trajectory": "t", "deepseek_attempt": "a"},
        {"answer": "2", "reasoning": "t", "response": "a", "model": "DeepSeek-R1"},
    ),
    (
        "numina",
        {"problem": "q", "solution": "s", "answer": "proof", "problem_is_valid": "Yes", "messages": TURNS},
        {"answer": None, "kind": "open", "response": "s"},
    ),
    (
        "openmathreasoning",
        {"problem": "q", "generated_solution": "<think>t</think>a", "expected_answer": "2", "generation_model": "QwQ"},
        {"answer": "2", "reasoning": "t", "response": "a", "model": "QwQ"},
    ),
    (
        "verl math",
        {
            "data_source": "d", "ability": "MATH", "prompt": TURNS[:2], "response": "a",
            "reward_model": {"style": "rule", "ground_truth": "2"}, "extra_info": {"index": 7},
        },
        {"problem": "q", "answer": "2", "kind": "math", "source": "d", "source_id": "7"},
    ),
    (
        "verl code",
        {"ability": "code", "prompt": TURNS[:2], "response": "a", "reward_model": {"ground_truth": '{"inputs": []}'}},
        {"answer": None, "tests": '{"inputs": []}', "kind": "code"},
    ),
    ("openthoughts", {"system": "s", "conversations": SHAREGPT}, {"problem": "q", "reasoning": "t", "response": "a"}),
    ("litecot", {"messages": TURNS}, {"problem": "q", "response": "a", "kind": "open"}),
    (
        "am",
        {"messages": [{**TURNS[1], "info": {"reference_answer": "2", "source": "d", "test_case": None}}, TURNS[2]]},
        {"problem": "q", "answer": "2", "source": "d", "tests": None},
    ),
    ("rlvr", {"messages": TURNS, "ground_truth": "2", "dataset": "d"}, {"answer": "2", "source": "d"}),
    (
        "synthetic",
        {"prompt": "q", "verification_info": '{"ground_truth": "2"}', "problem_id": "i", "llm_response": "a"},
        {"problem": "q", "answer": "2", "source_id": "i", "response": "a"},
    ),
    (
        "arc",
        {"question": "q", "choices": {"label": ["A", "B"], "text": ["x", "y"]}, "answer": 1, "output": "a"},
        {"kind": "choice", "choices": ["x", "y"], "answer": "B"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("record", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_published_convention_is_recognised(tmp_path, record, expected):
    rows = "traces" if set(expected) & {"response", "reasoning", "model"} else "problems"
    (row,) = read(tmp_path, record, rows)
    assert {name: row[name] for name in expected} == expected


def test_aligned_generations_become_a_trace_each_with_their_own_verdicts(tmp_path):
    record = {
        "problem": "q", "answer": "2", "uuid": "u", "generations": ["<think>a</think>b", "<think>c", None],
        "finish_reasons": ["stop", "length", "stop"], "correctness_math_verify": [True, False, False],
        "correctness_llama": None,
    }  # fmt: skip
    first, second, bad = read(tmp_path, record)
    assert (first["reasoning"], first["finish_reason"], first["sample_index"]) == ("a", "stop", 0)
    assert (second["reasoning"], second["finish_reason"], second["sample_index"]) == ("c", "length", 1)
    assert [json.loads(row["meta"])["correctness_math_verify"] for row in (first, second)] == [True, False]
    assert str(bad) == "row 1, trace 3: null response"


def test_lists_of_unequal_length_are_a_bad_row(tmp_path):
    (bad,) = read(tmp_path, {"problem": "q", "generations": ["a", "b"], "correctness_math_verify": [True]})
    assert str(bad) == "row 1: correctness_math_verify has 1 values for 2 traces"


def test_numbered_solution_columns_become_a_trace_each(tmp_path):
    record = {"question": "q", "final_answer": "2", **{f"r1_solution_{i}": f"<think>t{i}</think>a" for i in (1, 2, 3)}}
    traces = read(tmp_path, record)
    assert [row["reasoning"] for row in traces] == ["t1", "t2", "t3"]
    assert json.loads(traces[0]["meta"]) == {"markup": "think_open_close", "flags": []}


def test_a_conversation_of_several_turns_is_a_bad_row(tmp_path):
    (bad,) = read(tmp_path, {"messages": [*TURNS, *TURNS[1:]]})
    assert str(bad) == "row 1: messages has 2 user turns; only single-turn rows can be read"


def test_an_explicit_mapping_wins_and_an_empty_place_switches_off(tmp_path):
    columns = {"problem": "body.text", "answer": "", "source": "=mine", "response": "out[assistant]"}
    (row,) = read(tmp_path, {"body": {"text": "q"}, "answer": "2", "out": TURNS}, columns=columns)
    assert (row["problem"], row["answer"], row["source"], row["response"]) == ("q", None, "mine", "a")


def test_what_was_not_mapped_or_was_derived_stands_in_meta(tmp_path):
    record = {"problem": "q", "solution": "so \\boxed{2}", "level": 3, "score": float("nan"), "empty": None}
    (row,) = read(tmp_path, record, "problems")
    meta = {"level": 3, "score": None, "solution": "so \\boxed{2}", "answer_from": "solution, last \\boxed"}
    assert row["answer"] == "2" and json.loads(row["meta"]) == meta


COMMON = {"problem": "problem", "source_id": "id", "license": "licence"}
GRADED = COMMON | {"answer": "answer", "source": "dataset"}
TRACES = GRADED | {"response": "response", "model": "model", "sample_index": "sample"}
FILES = [
    ("math_problems", "problems", COMMON | {"answer": "answer", "solution": "solution", "source": "source"}),
    ("code_problems", "problems", COMMON | {"problem": "prompt", "tests": "tests", "source": "source"}),
    ("difficulty_pass_rates", "problems", GRADED),
    (
        "reasoning_gym_problems", "problems",
        {"problem": "question", "answer": "expected_answer", "source_id": "problem_id", "license": "licence"},
    ),
    ("math_traces_reasoning", "traces", TRACES),
    ("math_traces_instruct", "traces", TRACES),
    ("math_traces_small_models", "traces", TRACES),
    ("math_candidates_rm", "traces", TRACES),
    ("riddle_traces", "traces", TRACES),
    ("short_traces_multi_model", "traces", GRADED | {"response": "response", "model": "model"}),
    ("proof_traces", "traces",
     COMMON | {"solution": "reference_solution", "source": "dataset", "response": "proof"}),
    ("unanswerable_traces", "traces", COMMON | {"source": "dataset", "response": "response", "model": "model"}),
]  # fmt: skip


@needs_data
@pytest.mark.parametrize(("name", "rows", "expected"), FILES, ids=[file[0] for file in FILES])
def test_a_real_file_is_mapped_as_a_person_would(name, rows, expected):
    source = Ingest(path=str(DATA / f"{name}.parquet"), rows=rows)
    assert source.problems() == []
    assert source.mapping() == expected


@needs_data
@pytest.mark.parametrize("name", ["near_duplicate_pairs", "code_solutions", "reasoning_gym_traces"])
def test_a_real_file_without_problems_is_refused(name):
    said = Ingest(path=str(DATA / f"{name}.parquet")).problems()
    assert len(said) == 1 and "no problem column was recognised" in said[0]


@needs_data
@pytest.mark.slow
def test_real_traces_all_come_in_and_share_their_problems():
    rows = list(Ingest(path=str(DATA / "math_traces_reasoning.parquet"), rows="traces").run())
    assert len(rows) == 8021 and not any(isinstance(row, Exception) for row in rows)
    assert len({row["trace_id"] for row in rows}) == 8021
    assert sum(row["finish_reason"] == "length" for row in rows) == 22 + 502


@needs_data
@pytest.mark.slow
def test_real_problems_that_occur_twice_are_told():
    out = list(Ingest(path=str(DATA / "math_problems.parquet")).run())
    bad = [str(row) for row in out if isinstance(row, Exception)]
    assert len(out) == 22_948 and len(bad) == 857
    assert all("same problem as row" in reason for reason in bad)
    assert sum("with another gold" in reason for reason in bad) == 10
