"""What is wrong is said in one sentence before any work, or kept as a bad row with its reason; nothing is lost."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipeline.engines.engine import EngineConfig, EngineSpec
from pipeline.errors import LaconicError, RecipeError, RunFailed
from pipeline.execution import ExecutionConfig
from pipeline.lookup import ROOT
from pipeline.recipe import Node, Recipe
from pipeline.run import Run, run
from pipeline.store import Store
from stages.generate import Generate
from stages.ingest import Ingest
from stages.verify import Verify
from tests.pipeline_stages import Deal, Mix, calls_made, recipe, run_inline

INLINE = ExecutionConfig(executor="inline", partitions=2)
GOOD = {"problem": "What is 1 + 2?", "answer": "3"}


def write(path, *lines: str | bytes) -> str:
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return str(path)


MISTAKES = {
    "a stage that is not there": (
        "  x: {stage: vrify}",
        r":4: node `x`: there is no stage `vrify`; did you mean `verify`",
    ),
    "a field that is not there": ("  x: {stage: verify, timeouts: 1}", r":4: node `x`: there is no field `timeouts`"),
    "a value of another type": ("  x: {stage: verify, timeout_s: soon}", r":4: node `x`: `timeout_s`: .* not 'soon'"),
    "a value out of bounds": ("  x: {stage: verify, timeout_s: -1}", r":4: node `x`: `timeout_s`: .*greater than 0"),
    "a column that nobody writes": (
        "  x: {stage: verify}",
        r":4: node `x`: reads the column `response`, which no node",
    ),
    "an engine that is not there": ("  x: {stage: generate, engine: big}", r":4: node `x`: there is no engine `big`"),
    "a parent that is not there": (
        "  x: {stage: verify, from: y}",
        r":4: node `x`: `from` names `y`, which is no node",
    ),
    "a file that is not there": ("  x: {stage: ingest, path: no.jsonl}", r":4: node `x`: .*no\.jsonl"),
    "no stage at all": ("  x: {samples: 4}", r":4: node `x` needs a `stage`"),
    "a character that YAML does not know": ("  x: {stage: ver\0ify}", r":1: not valid YAML: unacceptable character"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_recipe_is_told_with_file_line_and_remedy_before_any_work(tmp_path, name):
    line, expected = MISTAKES[name]
    source = write(tmp_path / "good.jsonl", json.dumps(GOOD))
    path = write(tmp_path / "recipe.yaml", "name: bad\nnodes:", f"  p: {{stage: ingest, path: {source}}}", line)
    with pytest.raises(RecipeError, match=f"recipe.yaml{expected}"):
        run(Recipe.read(path), str(tmp_path / "store"), INLINE)
    assert not (tmp_path / "store").exists()


def test_an_empty_recipe_is_told_what_it_needs(tmp_path):
    with pytest.raises(RecipeError, match=r"recipe\.yaml:1: `name` is missing\n.*:1: a recipe needs `nodes`"):
        Recipe.read(write(tmp_path / "recipe.yaml", "# nothing yet"))


def test_a_mistake_in_a_merged_mapping_is_told_where_it_is_merged(tmp_path):
    lines = ["name: bad", "nodes:", "  p: &p {stage: verify, timeout_s: soon}", "  q:", "    <<: *p"]
    with pytest.raises(RecipeError) as caught:
        Recipe.read(write(tmp_path / "recipe.yaml", *lines))
    told = [line.split(": `")[0] for line in str(caught.value).splitlines() if "timeout_s" in line]
    assert [line.split("recipe.yaml:")[1] for line in told] == ["3: node `p`", "5: node `q`"]


def test_mistakes_of_an_execution_config_have_their_lines(tmp_path):
    path = write(tmp_path / "laptop.yaml", "executor: inline", "partitons: 4", "engines:", "  default: {num_gpus: two}")
    with pytest.raises(RecipeError) as caught:
        ExecutionConfig.read(path)
    first, second = str(caught.value).splitlines()
    assert first.endswith("laptop.yaml:2: there is no field `partitons`; did you mean `partitions`?")
    assert "laptop.yaml:4: `engines.default.num_gpus`: Input should be a valid number" in second


def test_all_mistakes_are_told_at_once_each_with_its_line(tmp_path):
    lines = ["name: Bad name", "sead: 1", "nodes:", "  p: {stage: ingest, path: no.jsonl}", "  v: {stage: vrify}"]
    path = write(tmp_path / "recipe.yaml", *lines, "  w: {stage: verify, from: nowhere}", "engines: {big: {}}")
    with pytest.raises(RecipeError) as caught:
        Recipe.read(path)
    told = str(caught.value).splitlines()
    assert sorted({line.removeprefix(f"{path}:").split(":")[0] for line in told}) == ["1", "2", "4", "5", "6", "7"]


def test_a_recipe_built_in_python_is_checked_as_well_before_a_store_is_made(tmp_path):
    with pytest.raises(RecipeError, match=r"nodes\.mix: reads the column `z`, which no node above writes"):
        run_inline(recipe(deal=Deal(), mix=Mix(column="z")), tmp_path / "store")
    assert not (tmp_path / "store").exists()


BAD_FILES = {
    "missing": (None, "no.jsonl", r"no\.jsonl"),
    "empty": (b"", "empty.jsonl", r"empty\.jsonl.*empty"),
    "no column for the problem": (b'{"weather": "rain"}\n', "a.jsonl", "no problem column was recognised; map it as"),
    "a problem that is no text": (b'{"problem": 7}\n', "a.jsonl", "which is int, not text"),
    "Parquet that is none": (b"PAR1 not at all", "a.parquet", r"a\.parquet"),
    "Parquet that was cut": (b"PAR1\x15\x04\x15" + b"\0" * 200, "a.parquet", r"a\.parquet"),
    "gzip that was cut": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab", "a.jsonl.gz", r"a\.jsonl\.gz"),
    "JSON that is none": (b"{{{\n", "a.jsonl", r"no readable row"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_source_that_cannot_be_read_is_refused_before_any_work(tmp_path, name):
    data, file_name, expected = BAD_FILES[name]
    if data is not None:
        (tmp_path / file_name).write_bytes(data)
    one = Recipe(name="bad", nodes={"problems": Node(stage=Ingest(path=str(tmp_path / file_name)))})
    with pytest.raises(RecipeError, match=expected):
        run(one, str(tmp_path / "store"), INLINE)
    assert not (tmp_path / "store").exists()


BAD_ROWS = {
    "an empty problem": b'{"problem": " ", "answer": "3"}',
    "no problem": b'{"answer": "3"}',
    "a problem that is no text": b'{"problem": 7, "answer": "3"}',
    "invalid UTF-8": b'{"problem": "What is \xff\xfe?", "answer": "3"}',
    "half a surrogate": b'{"problem": "What is \\ud800?", "answer": "3"}',
    "no JSON": b'{"problem": ',
    "no object": b"[1, 2]",
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_set_aside_with_its_place_and_reason_and_the_rest_goes_on(tmp_path, name):
    source = write(tmp_path / "rows.jsonl", json.dumps(GOOD), BAD_ROWS[name], json.dumps({"problem": "2 + 2 = ?"}))
    one = Recipe(name="rows", max_bad_share=0.5, nodes={"problems": Node(stage=Ingest(path=source))})
    for _ in range(2):
        finished = run(one, str(tmp_path / "store"), INLINE)
        node = finished.node("problems")
        assert (node["n_units"], node["n_rows"], node["n_failed"]) == (3, 2, 1)
        (reason,) = finished.bad_rows("problems")["reason"]
        assert len(reason) > 10


def test_too_many_bad_rows_fail_the_run_and_name_the_limit(tmp_path):
    source = write(tmp_path / "rows.jsonl", json.dumps(GOOD), *[BAD_ROWS["an empty problem"]] * 3)
    one = Recipe(name="rows", nodes={"problems": Node(stage=Ingest(path=source))})
    with pytest.raises(RunFailed, match=r"node problems: 3 of 4 units failed, more than max_bad_share 0\.1"):
        run(one, str(tmp_path / "store"), INLINE)


STRANGE = {
    "five megabytes": "word " * 1_000_000,
    "no maths": "The answer is \\boxed{blue and green}.",
    "deep nesting": "\\boxed{" + "(" * 3000 + "1" + ")" * 3000 + "}",
    "a tower of powers": "\\boxed{9^{9^{9^{9^{9}}}}}",
    "code": "\\boxed{__import__('os').system('true')}",
    "control characters": "\\boxed{1\x00\x07}",
    "nothing": " ",
}


@pytest.mark.slow
def test_hostile_answers_get_a_verdict_and_stop_nothing(tmp_path):
    lines = [
        json.dumps(
            {"problem": f"{name}: what is 1 + 2?", "answer": "3", "response": f"<think>\nSo.\n</think>\n\n{text}"}
        )
        for name, text in STRANGE.items()
    ]
    nodes = {"traces": Ingest(path=write(tmp_path / "traces.jsonl", *lines), rows="traces"), "verified": Verify()}
    one = Recipe(name="strange", nodes={name: Node(stage=stage) for name, stage in nodes.items()})
    frame = run(one, str(tmp_path / "store"), INLINE).frame("verified", ["problem", "response", "outcome"])
    assert frame.height == len(STRANGE)
    assert set(frame["outcome"]) <= {"incorrect", "unparsed", "timeout", "crashed", "ungradable"}
    assert frame["response"].str.len_chars().max() >= 4_999_999


class Answering(BaseHTTPRequestHandler):
    """An OpenAI-compatible service that answers `n_left` requests and then is overloaded for good."""

    n_left = 0

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self.reply(200, {"data": [{"id": "little", "owned_by": "someone"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        Answering.n_left -= 1
        if Answering.n_left < 0:
            self.reply(503, {"error": {"message": "overloaded"}})
            return
        choice = {"message": {"role": "assistant", "content": "\\boxed{3}"}, "finish_reason": "stop"}
        self.reply(200, {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}})

    def reply(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def service(n_answers: int):
    """The address of a service on this machine; closed at the end."""
    Answering.n_left = n_answers
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def ask_service(problems: str, store, url: str):
    engine = EngineConfig(backend="openai", base_url=url, max_retries=0, timeout_s=20, max_in_flight=1, api_key_env="")
    config = ExecutionConfig(executor="inline", partitions=1, cell_retries=0, engines={"default": engine})
    nodes = {"problems": Ingest(path=problems), "traces": Generate(engine="teacher", samples=1, top_k=0)}
    engines = {"teacher": EngineSpec(model="little")}
    one = Recipe(name="asked", engines=engines, nodes={name: Node(stage=stage) for name, stage in nodes.items()})
    return run(one, str(store), config)


def test_an_endpoint_that_gives_up_stops_the_run_with_one_sentence_and_what_it_answered_is_kept(
    write_problems, tmp_path
):
    problems = write_problems(10)
    with (
        service(4) as url,
        pytest.raises(RunFailed, match=r"node traces: .*503.*; what was computed is kept: run again"),
    ):
        ask_service(problems, tmp_path / "store", url)
    with service(100) as url:
        finished = ask_service(problems, tmp_path / "store", url)
    assert calls_made(finished) == 6
    assert finished.frame("traces").height == 10


def test_an_endpoint_that_is_not_there_stops_the_run_with_one_sentence(write_problems, tmp_path):
    with service(0) as url:
        pass  # closed: nobody listens there now
    with pytest.raises(LaconicError) as caught:
        ask_service(write_problems(3), tmp_path / "store", url)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


FILL = """
set -e
mount -t tmpfs -o size=1m tmpfs "$1"
run() { "$2" -m pipeline.cli run "$3/recipe.yaml" --store "$1" --config "$3/inline.yaml"; }
for attempt in 1 2; do run "$1/store" "$2" "$3" && exit 99 || echo "exit $?"; done
cp -r "$1/store" "$3/roomy"
run "$3/roomy" "$2" "$3"
"""


@pytest.mark.slow
def test_a_full_disk_stops_the_run_with_one_sentence_and_with_more_room_it_goes_on(write_problems, tmp_path):
    allowed = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    if allowed.returncode:
        pytest.skip("no right to mount a small disk")
    problems, small = write_problems(60), tmp_path / "small"
    small.mkdir()
    write(tmp_path / "inline.yaml", "{executor: inline, partitions: 4}")
    nodes = f"nodes: {{p: {{stage: ingest, path: {problems}}}, t: {{stage: generate, engine: e, samples: 2}}}}"
    write(
        tmp_path / "recipe.yaml", "name: full", "engines: {e: {model: 'scripted:tests.counted_scripts:wordy'}}", nodes
    )
    command = ["unshare", "-rm", "bash", "-c", FILL, "fill", str(small), sys.executable, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 2
    assert all("no space left for" in line and "free space and run again" in line for line in errors)
    assert done.stdout.count("exit 2") == 2
    finished = Run.open(Store.open(str(tmp_path / "roomy")))
    assert finished.frame("t")["trace_id"].n_unique() == 120
    assert 0 < calls_made(finished) < 120  # what the small disk took was not asked for again
