"""Every format and every kind of bad input: refused before work, or kept as a bad row with a sentence."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.ingest import Ingest

ROWS = [{"problem": f"{i} + {i} = ?", "answer": str(2 * i), "id": f"p{i}", "level": i} for i in range(5)]
CSV = "id,problem,answer\n1,1 + 1,2\n2,2 + 2,4,extra\n3,3 + 3\n4,\xff,8\n5,5 + 5,10\n".encode("latin-1")


def write(path, rows):
    path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
    return str(path)


def split(source):
    out = list(source.run())
    return [row for row in out if isinstance(row, dict)], [str(bad) for bad in out if isinstance(bad, Exception)]


def trace_of(tmp_path, **row):
    rows, bad = split(Ingest(path=write(tmp_path / "t.jsonl", [{"problem": "p", **row}]), rows="traces"))
    assert not bad
    return rows[0]


def in_format(folder, suffix):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    table = pa.Table.from_pylist(ROWS)
    path = folder / f"set{suffix}"
    content = {
        ".jsonl": lambda: lines,
        ".jsonl.gz": lambda: gzip.compress(lines[:50]) + gzip.compress(lines[50:]),
        ".jsonl.zst": lambda: pa.compress(lines[:50], "zstd", True) + pa.compress(lines[50:], "zstd", True),
        ".csv": lambda: table.to_pandas().to_csv(index=False).encode(),
    }
    pq.write_table(table, path) if suffix == ".parquet" else path.write_bytes(content[suffix]())
    return str(path)


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".csv", ".parquet"])
def test_every_format_gives_the_same_problems(tmp_path, suffix):
    source = Ingest(path=in_format(tmp_path, suffix), license="MIT")
    assert source.problems() == []
    rows, bad = split(source)
    assert bad == [] and [row["answer"] for row in rows] == ["0", "2", "4", "6", "8"]
    assert all(list(row) != [] and set(row) == {column.name for column in source.writes} for row in rows)
    assert [rows[1][name] for name in ("kind", "source", "source_id", "license")] == ["math", "set", "p1", "MIT"]
    assert json.loads(rows[3]["meta"])["level"] in (3, "3")


def test_a_folder_is_read_in_order_of_names_and_its_rows_say_their_file(tmp_path):
    write(tmp_path / "b.jsonl", [*ROWS[:2], {"problem": ""}])
    write(tmp_path / "a.jsonl", ROWS[2:])
    (tmp_path / "README.md").write_text("no data")
    rows, bad = split(Ingest(path=str(tmp_path)))
    assert [row["source_id"] for row in rows] == ["p2", "p3", "p4", "p0", "p1"]
    assert bad == ["b.jsonl row 3: empty problem"]


def test_an_object_store_is_read_through_fsspec():
    import fsspec

    fsspec.filesystem("memory").pipe("/bucket/set.jsonl", json.dumps(ROWS[0]).encode())
    source = Ingest(path="memory://bucket/set.jsonl")
    assert source.problems() == [] and len(split(source)[0]) == 1
    before = source.digest()
    fsspec.filesystem("memory").pipe("/bucket/set.jsonl", json.dumps(ROWS[1]).encode())
    assert Ingest(path="memory://bucket/set.jsonl").digest() != before


def test_the_digest_follows_content_and_not_place(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here, there = write(tmp_path / "here/set.jsonl", ROWS), write(tmp_path / "there/set.jsonl", ROWS)
    assert Ingest(path=here).digest() == Ingest(path=there).digest()
    write(tmp_path / "there/set.jsonl", ROWS[1:])
    assert Ingest(path=here).digest() != Ingest(path=there).digest()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"problem": ""}', "empty problem"),
        (b'{"problem": null}', "null problem"),
        (b'{"problem": 5}', "problem is int, not text"),
        (b'{"problem": "\xff"}', "not valid UTF-8 (byte 13 of the line)"),
        (b'{"problem": "\\ud800"}', "problem is not valid UTF-8 (character 0)"),
        (b'{"problem": "half', "not JSON"),
        (b"[1]", "a JSON list, not an object"),
        (b'{"problem": "deep", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON"),
        (b'{"problem": "deep", "x": ' + b"[" * 700 + b"]" * 700 + b"}", "nested too deeply"),
        (b'{"problem": "q", "choices": [1]}', "choices holds something that is not text"),
        (b'{"problem": "0 + 0 = ?", "answer": "0", "id": "p0", "level": 0}', "exact duplicate of row 1"),
        (b'{"problem": " 0 + 0  = ?", "answer": "0"}', "same problem as row 1"),
        (b'{"problem": "0 + 0 = ?", "answer": "1"}', "with another gold: '1' here, '0' there"),
    ],
)
def test_a_bad_line_is_kept_with_its_reason_and_stops_nothing(tmp_path, line, reason):
    path = tmp_path / "set.jsonl"
    path.write_bytes(json.dumps(ROWS[0]).encode() + b"\n\n" + line + b"\n" + json.dumps(ROWS[1]).encode())
    rows, bad = split(Ingest(path=str(path)))
    assert [row["source_id"] for row in rows] == ["p0", "p1"]
    assert len(bad) == 1 and bad[0].startswith("row 3: ") and reason in bad[0]


def test_bad_rows_of_a_csv_are_kept_with_their_reason(tmp_path):
    (tmp_path / "set.csv").write_bytes(CSV)
    rows, bad = split(Ingest(path=str(tmp_path / "set.csv")))
    assert [row["source_id"] for row in rows] == ["1", "5"]
    assert bad == [
        "row 2: 4 fields where the header has 3",
        "row 3: 2 fields where the header has 3",
        "row 4: problem is not valid UTF-8 (character 0)",
    ]


def test_invalid_text_in_parquet_costs_its_row_only(tmp_path):
    raw = pa.array([b"one", b"\xff", b"three"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"problem": text}), tmp_path / "set.parquet")
    rows, bad = split(Ingest(path=str(tmp_path / "set.parquet")))
    assert [row["problem"] for row in rows] == ["one", "three"]
    assert len(bad) == 1 and bad[0].startswith("row 2: not valid UTF-8")


@pytest.mark.parametrize(
    ("content", "name", "options", "sentence"),
    [
        (None, "set.jsonl", {}, "does not exist"),
        (b"x", "set.txt", {}, "is of no known format; give one of .jsonl"),
        (b"not parquet", "set.parquet", {}, "Parquet magic bytes not found"),
        (b"not gzip", "set.jsonl.gz", {}, "Not a gzipped file"),
        (b"not zstd", "set.jsonl.zst", {}, "ZSTD"),
        (b"", "set.jsonl", {}, "it is empty"),
        (b"{broken", "set.jsonl", {}, "no readable row among the first 64; row 1: not JSON"),
        (b'{"text": "a"}', "set.jsonl", {}, "no problem column was recognised; map it as `columns: {problem: NAME}`"),
        (b'{"problem": 1}', "set.jsonl", {}, "problem is read from 'problem', which is int, not text"),
        (b'{"problem": "a"}', "set.jsonl", {"rows": "traces"}, "no response column was recognised"),
        (b'{"problem": "a"}', "set.jsonl", {"columns": {"answer": "gold"}}, "'gold', which does not exist"),
        (b'{"problem": "a"}', "set.jsonl", {"columns": {"result": "problem"}}, "'result' is no column of Laconic"),
        (b'{"problem": "a"}', "set.jsonl", {"preset": "alpaca"}, "preset 'alpaca' is unknown; use auto, openr1"),
        (b'{"problem": "a"}', "set.jsonl", {"preset": "openr1"}, "preset 'openr1' needs 'generations'"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_any_work(tmp_path, content, name, options, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    said = Ingest(path=str(tmp_path / name), **options).problems()
    assert len(said) == 1 and sentence in said[0] and "\n" not in said[0]


@pytest.mark.parametrize("path", ["s3://bucket/set.jsonl", "nowhere://set.jsonl"])
def test_a_store_without_its_library_is_one_sentence(path):
    said = Ingest(path=path).problems()
    assert len(said) == 1 and said[0].startswith(path)


def test_a_file_that_breaks_half_way_stops_the_reading(tmp_path):
    content = gzip.compress("".join(json.dumps({"problem": os.urandom(50).hex()}) + "\n" for _ in range(999)).encode())
    (tmp_path / "set.jsonl.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(EOFError):
        list(Ingest(path=str(tmp_path / "set.jsonl.gz")).run())


def test_a_trace_is_parsed_counted_and_named(tmp_path):
    row = trace_of(tmp_path, answer="2", model="m", response="<think>\na b\n</think>\n\n\\boxed{2}")
    assert (row["reasoning"], row["response"], row["method"], row["lineage"]) == (
        "a b", "\\boxed{2}", "import", ["import"],
    )  # fmt: skip
    assert (row["n_reasoning_tokens"], row["n_source_reasoning_tokens"], row["n_response_tokens"]) == (3, 3, 1)
    assert (row["finish_reason"], row["sample_index"], row["token_counter"]) == ("unknown", 0, "words*1.3")
    assert json.loads(row["meta"]) == {"markup": "think_open_close", "flags": []}
    assert set(row) == {column.name for column in Ingest(path="x", rows="traces").writes}


def test_a_cut_trace_ended_by_length(tmp_path):
    assert trace_of(tmp_path, response="<think>\nand then")["finish_reason"] == "length"
    assert trace_of(tmp_path, response="b", finish_reason="stop")["finish_reason"] == "stop"
    assert trace_of(tmp_path, response="b", reasoning="a")["reasoning"] == "a"


def test_samples_of_a_problem_and_model_are_numbered(tmp_path):
    rows = [("p", "m", None), ("p", "n", None), ("p", "m", 5), ("p", "m", None), ("q", "m", "2")]
    records = [{"problem": p, "model": m, "sample": s, "response": f"r{i}"} for i, (p, m, s) in enumerate(rows)]
    traces, bad = split(Ingest(path=write(tmp_path / "t.jsonl", records), rows="traces"))
    assert bad == [] and [row["sample_index"] for row in traces] == [0, 0, 5, 6, 2]
    assert len({row["trace_id"] for row in traces}) == 5


def test_all_traces_of_a_problem_have_the_first_gold(tmp_path):
    records = [{"problem": "p", "answer": answer, "response": f"r{answer}"} for answer in ("1/2", "0.5")]
    traces, _ = split(Ingest(path=write(tmp_path / "t.jsonl", records), rows="traces"))
    assert [row["answer"] for row in traces] == ["1/2", "1/2"]
    assert json.loads(traces[1]["meta"])["answer_in_row"] == "0.5"


def test_bad_traces_are_kept_with_their_reason(tmp_path):
    records = [{"problem": "p", "response": response} for response in ("ok", None, " ", 7, "ok")]
    _, bad = split(Ingest(path=write(tmp_path / "t.jsonl", records), rows="traces"))
    reasons = ["null response", "empty response", "response is int, not text", "exact duplicate of row 1"]
    assert bad == [f"row {i}: {reason}" for i, reason in enumerate(reasons, start=2)]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_trace_of_five_megabytes_passes(tmp_path, suffix):
    response = "<think>\n" + "wait " * 1_000_000 + "</think>\n\nb"
    path = tmp_path / f"t{suffix}"
    path.write_text(
        json.dumps({"problem": "p", "response": response})
        if suffix == ".jsonl"
        else f'problem,response\np,"{response}"\n'
    )
    (row,), bad = split(Ingest(path=str(path), rows="traces"))
    assert bad == [] and row["n_reasoning_tokens"] == 1_300_000


def test_reading_stops_behind_the_limit(tmp_path):
    path = write(tmp_path / "set.jsonl", [*ROWS[:2], {"problem": ""}, *ROWS[2:]])
    assert [row["source_id"] for row in split(Ingest(path=path, limit=2))[0]] == ["p0", "p1"]
    assert len(split(Ingest(path=path, limit=99))[0]) == 5


def test_the_hub_out_of_reach_is_one_sentence():
    program = "from stages.ingest import Ingest; print(*Ingest(path='hf://org/name').problems(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True,
        cwd=Path(__file__).parents[1], check=True,
    )  # fmt: skip
    assert done.stdout.startswith("hf://org/name cannot be read from the Hub (")
    assert "offline mode is enabled" in done.stdout and done.stdout.count("\n") == 1


def test_importing_the_stage_is_light():
    program = "import sys, stages.ingest; print({'datasets', 'torch', 'transformers', 'ray'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.stdout.strip() == "set()"
