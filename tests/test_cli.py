"""What a person types, and what the commands answer: on a small store filled with the scripted engine."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.lookup import ROOT

INLINE = str(ROOT / "ray_configs" / "inline.yaml")
RECIPE = """name: small
seed: 3
engines: {{teacher: {{model: "scripted:pipeline.engines.scripted:arithmetic"}}}}
nodes:
  problems: {{stage: ingest, path: {path}}}
  traces: {{stage: generate, engine: teacher, samples: 3}}
  verified: {{stage: verify}}
  shortened: {{stage: compress_first_correct}}
  verified_again: {{stage: verify}}
  selected: {{stage: select, rules: [correct: {{column: outcome, is: correct}}], keep: {keep}, order_by: [trace_id]}}
  shards: {{stage: shard}}
"""


def laconic(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def answer(*arguments: str):
    done = laconic(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with two recipes that differ in one rule, and a store with a run of each."""
    place = tmp_path_factory.mktemp("cli")
    rows = [{"problem": f"What is {n} + {n + 1}?", "answer": str(2 * n + 1)} for n in range(12)]
    rows.append({"problem": "", "answer": "1"})
    (place / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for keep in (1, 2):
        recipe = place / f"keep{keep}.yaml"
        recipe.write_text(RECIPE.format(path=place / "problems.jsonl", keep=keep))
        answer("run", str(recipe), "--store", str(place / "store"), "--config", INLINE)
    return place


def runs(folder: Path) -> list[str]:
    return [line["run"] for line in answer("status", "--store", str(folder / "store"))["runs"]]


def test_a_run_prints_the_funnel_the_dataset_the_report_and_what_each_node_found(folder):
    done = laconic("run", str(folder / "keep1.yaml"), "--store", str(folder / "store"), "--config", INLINE)
    for word in ("rows in", "rejected by correct", "dataset ", "report ", "computed", "0 computed"):
        assert word in done.stdout, done.output


def test_a_second_run_computes_nothing_and_asks_no_model(folder):
    found = answer("run", str(folder / "keep1.yaml"), "--store", str(folder / "store"), "--config", INLINE)
    assert sum(node["n_computed"] + node["n_made"] for node in found["nodes"]) == 0
    assert Path(found["report"]).is_file() and Path(*found["datasets"].values(), "dataset.json").is_file()


def test_a_plan_of_a_finished_run_has_nothing_to_compute(folder):
    found = answer("plan", str(folder / "keep2.yaml"), "--store", str(folder / "store"))
    assert [node["to_compute"] for node in found] == [0] * 7 and all(node["exact"] for node in found)


def test_a_plan_without_a_store_makes_none(folder, tmp_path):
    found = answer("plan", str(folder / "keep1.yaml"), "--store", str(tmp_path / "none"))
    assert not found[0]["exact"] and not (tmp_path / "none").exists()


def test_a_plan_forecasts_more_samples_from_those_it_has_seen(folder, tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text((folder / "keep1.yaml").read_text().replace("samples: 3", "samples: 6"))
    traces = answer("plan", str(more), "--store", str(folder / "store"))[1]
    assert (traces["to_compute"], traces["calls"]) == (12, 36)


def test_the_status_counts_bad_rows_with_their_reason(folder):
    found = answer("status", "--store", str(folder / "store"))
    assert {line["state"] for line in found["runs"]} == {"finished"}
    assert [(line["node"], line["n"]) for line in found["bad_rows"]] == [("problems", 1)]
    assert "empty problem" in found["bad_rows"][0]["reason"]


def test_a_record_is_followed_through_every_node(folder):
    store = str(folder / "store")
    problem = json.loads((folder / "problems.jsonl").read_text().splitlines()[0])["problem"]
    rows = [s["row"] for s in answer("show", "", "--store", store)["passage"] if s["node"] == "problems"]
    first = next(row for row in rows if row["problem"] == problem)
    passage = answer("show", first["problem_id"], "--store", store)["passage"]
    assert [s["node"] for s in passage][:4] == ["problems", "traces", "traces", "traces"]
    assert {s["node"] for s in passage} >= {"verified", "selected"}


def test_a_record_that_is_not_there_is_said_in_a_sentence(folder):
    done = laconic("show", "zzzz", "--store", str(folder / "store"))
    assert done.exit_code == 2 and "no problem or trace whose id begins with `zzzz`" in done.stderr


def test_a_difference_names_the_changed_field_and_the_rows(folder):
    old, new = runs(folder)[:2]
    found = answer("diff", old, new, "--store", str(folder / "store"))
    assert [(c["field"], c["old"], c["new"]) for c in found["recipe"]] == [("nodes.selected.keep", 1, 2)]
    assert [node["node"] for node in found["nodes"] if not node["same_stage"]] == ["selected"]
    assert found["rows"]["changed"] and not found["rows"]["added"] and not found["same"]


def test_cleaning_up_keeps_what_the_kept_runs_need(folder):
    store = str(folder / "store")
    before = answer("run", str(folder / "keep2.yaml"), "--store", store, "--config", INLINE)
    removed = answer("gc", "--keep", "1", "--store", store)["removed"]
    assert removed["runs"] and removed["ledger"] and not removed["calls"]
    after = answer("run", str(folder / "keep2.yaml"), "--store", store, "--config", INLINE)
    assert after["digest"] == before["digest"] and sum(node["n_computed"] for node in after["nodes"]) == 0
    again = answer("run", str(folder / "keep1.yaml"), "--store", store, "--config", INLINE)
    assert sum(node["n_made"] for node in again["nodes"]) == 0


def test_the_mistakes_of_a_recipe_come_together_with_their_lines(folder, tmp_path):
    bad = tmp_path / "bad.yaml"
    text = (
        (folder / "keep1.yaml")
        .read_text()
        .replace("samples: 3", "sampels: 3")
        .replace("stage: verify}", "stage: verfy}", 1)
    )
    bad.write_text(text.replace("engine: teacher", "engine: teecher"))
    done = laconic("run", str(bad), "--store", str(tmp_path / "none"))
    assert done.exit_code == 2 and not (tmp_path / "none").exists()
    assert "bad.yaml:6: node `traces`: there is no field `sampels`; did you mean `samples`?" in done.stderr
    assert "bad.yaml:7: node `verified`: there is no stage `verfy`; did you mean `verify`?" in done.stderr


def test_every_command_explains_itself():
    for command in app.registered_commands:
        assert (command.callback.__doc__ or "").strip().endswith("."), command


def test_the_doctor_finds_this_installation_sound(tmp_path):
    found = {check["what"]: check["state"] for check in answer("doctor", "--store", str(tmp_path))}
    assert found["packages"] == "ok" and "broken" not in found.values()


def test_a_single_stage_is_listed_with_its_fields():
    (found,) = answer("stages", "generate")
    assert {"engine", "samples", "temperature"} <= {field["field"] for field in found["fields"]}
    assert all(field["about"] for field in found["fields"])
