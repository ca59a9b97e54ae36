"""The three release formats: one schema in every shard, whatever the recipe filled, and rows that others can read."""

import json

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lookup import ROOT
from pipeline.reader import Change
from pipeline.recipe import Recipe
from schemas.columns import ADAR1_COLUMNS, COMPLETION, MODE, PAIR_COLUMNS, SEGMENTS, WEIGHT
from schemas.release import FORMATS, PREFERENCE, RL, SFT
from stages.pair_long2short import PairLong2short
from stages.preferences import whole_pair
from stages.shard import Shard
from tests import test_shard
from tests.pipeline_stages import calls_made, files_of, run_inline

COLUMNS = (*test_shard.COLUMNS, *PAIR_COLUMNS, *ADAR1_COLUMNS, WEIGHT, MODE, COMPLETION, SEGMENTS)


def row(name, n_tokens, outcome="correct", **columns):
    """A trace of problem 0; lengths are those of its reasoning."""
    texts = {"reasoning": f"{name} thinks.", "response": f"{name} says."}
    lengths = {"n_reasoning_tokens": n_tokens - 1, "n_response_tokens": 1, "token_counter": "words"}
    own = {"trace_id": name, "problem_id": "p0", "answer": "5", "kind": "math", "model": "m", "method": "teacher"}
    return dict.fromkeys(column.name for column in COLUMNS) | test_shard.row(0) | texts | lengths | own | {
        "outcome": outcome, "finish_reason": "stop"
    } | columns  # fmt: skip


def shard(folder, rows, form, **settings):
    """Totals of the release, and its rows."""
    schema = pa.schema([column.field for column in COLUMNS])
    frame = pl.from_arrow(pa.Table.from_pylist(rows, schema=schema))
    totals = Shard(format=form, **settings).run(iter([frame]), folder, test_shard.ORIGIN)
    table = pq.read_table(folder / "data" / "train-00000-of-00001.parquet")
    assert table.schema.equals(FORMATS[form].schema)
    return totals, table.to_pylist()


def unfit(folder):
    return [line["reason"] for line in json.loads((folder / "dataset.json").read_text())["counts"]["unfit"]]


@pytest.mark.parametrize("form", FORMATS.values(), ids=lambda form: form.name)
def test_no_field_of_a_format_is_null_typed_and_each_is_explained(form):
    def types(field):
        yield field.type
        for inner in range(field.type.num_fields):
            yield from types(field.type.field(inner))

    assert not [one for field in form.schema for one in types(field) if pa.types.is_null(one)]
    assert all(line["unit"] and line["doc"].endswith(".") for line in form.describe())


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_release_holds_the_schema(tmp_path, form):
    totals, rows = shard(tmp_path, [], form)
    assert rows == [] and totals["n_rows"] == 0


# Supervised.


def test_weight_mode_segments_and_another_form_of_the_turn_reach_the_release(tmp_path):
    spans = [{"start": 0, "end": 7, "kind": "masked"}]
    given = {"weight": -0.8, "mode": "short", "segments": spans, "completion": "<short>\nFive."}
    _, (line,) = shard(tmp_path, [row("a", 9, **given)], "sft")
    assert {name: line[name] for name in ("weight", "mode", "segments")} == {
        name: given[name] for name in ("weight", "mode", "segments")
    }
    assert line["messages"][1]["content"] == "<short>\nFive." and line["reasoning"] == "a thinks."


def test_the_card_warns_of_rows_that_are_there_to_be_unlearned(tmp_path):
    shard(tmp_path, [row("a", 9, weight=1.0), row("b", 9, "incorrect", weight=-0.8)], "sft")
    assert "**1 of them have a negative `weight`" in (tmp_path / "README.md").read_text()


def test_a_segment_outside_the_turn_is_unfit(tmp_path):
    shard(tmp_path, [row("a", 9, segments=[{"start": 3, "end": 999, "kind": "masked"}])], "sft")
    assert unfit(tmp_path) == ["the segment 3..999 lies outside the turn"]


# Preference.


def paired(*rows):
    return [one | line for one, line in zip(rows, PairLong2short().run(list(rows)), strict=True)]


def test_a_pair_is_a_row_with_both_turns_though_the_loser_is_rejected(tmp_path):
    rows = paired(row("short", 10), row("wrong", 20, "incorrect", model="w"), row("long", 40))
    rows = [one | {"rejected_by": None if one["trace_id"] == "short" else "correct"} for one in rows]
    totals, lines = shard(tmp_path, rows, "preference")
    assert [(line["pair_kind"], line["rejected_id"]) for line in lines] == [
        ("long2short_wrong", "wrong"), ("long2short_correct", "long")
    ]  # fmt: skip
    assert lines[0]["prompt"] == [{"role": "user", "content": "What is 0 + 1?"}]
    assert lines[0]["chosen"] == [{"role": "assistant", "content": "<think>\nshort thinks.\n</think>\n\nshort says."}]
    assert lines[0]["rejected"][0]["content"].startswith("<think>\nwrong thinks.")
    assert (lines[0]["rejected_model"], lines[0]["rejected_outcome"], lines[0]["n_rejected_tokens"]) == (
        "w", "incorrect", 20
    )  # fmt: skip
    assert lines[0]["prefix"] == "" and lines[0]["provenance"]["outcome"] == "correct"
    assert totals["n_rows"] == 2 and totals["n_problems"] == 1
    assert "| long2short_wrong | 1 |" in (tmp_path / "README.md").read_text()


def test_what_rejects_the_winner_takes_the_pair_with_it(tmp_path):
    rows = paired(row("short", 10), row("long", 40))
    _, lines = shard(tmp_path, [one | {"rejected_by": "unique"} for one in rows], "preference")
    assert lines == []


def test_a_pair_of_steps_holds_bare_steps_behind_its_prefix(tmp_path):
    step = whole_pair("step", row("gone", 3), row("a", 9))
    step |= {"chosen_id": None, "prefix": "<think>\nFirst.\n\n", "chosen_text": "Right.", "rejected_text": "Wrong."}
    _, (line,) = shard(tmp_path, [row("a", 9, "incorrect", pairs=[step])], "preference")
    assert (line["prefix"], line["chosen"][0]["content"], line["rejected"][0]["content"]) == (
        "<think>\nFirst.\n\n", "Right.", "Wrong."
    )  # fmt: skip
    assert line["chosen_id"] is None


def test_a_pair_whose_loser_is_gone_is_named_and_the_others_stay(tmp_path):
    winner = row("short", 10)
    pairs = [whole_pair("redi", winner, row("gone", 9)), whole_pair("redi", winner, row("long", 40))]
    _, lines = shard(tmp_path, [winner | {"pairs": pairs}, row("long", 40)], "preference")
    assert len(lines) == 1 and unfit(tmp_path) == ["redi: the trace gone is gone"]


# Reinforcement learning.


def test_a_problem_is_one_row_with_its_pass_rate_and_the_lengths_of_its_correct_traces(tmp_path):
    graded = {"pass_rate": 0.75, "n_rollouts": 4, "rejected_by": "shortest"}
    rows = [row("a", 30, **graded | {"rejected_by": None}), row("b", 50, **graded, model="b"), row("c", 70, **graded)]
    rows += [row("w", 5, "incorrect", **graded), row("child", 20, parent_id="a", **graded)]
    _, (line,) = shard(tmp_path, [one | {"model": one.get("model") or "m"} for one in rows], "rl")
    assert (line["pass_rate"], line["pass_n"], line["pass_model"]) == (0.75, 4, "b, m")
    assert (line["ref_len"], line["ref_len_p50"]) == (20, 50)
    assert line["prompt"] == [{"role": "user", "content": "What is 0 + 1?"}] and line["answer"] == "5"


@pytest.mark.slow
def test_problems_that_nothing_was_sampled_for_can_be_released(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"name: bare\nnodes:\n  problems: {{stage: ingest, path: {ROOT / 'tiny/problems.jsonl'}, limit: 5}}\n"
        "  rl: {stage: shard, format: rl}\n"
    )
    finished = run_inline(Recipe.read(path), tmp_path / "store")
    assert finished.artifacts()["rl"]["n_rows"] == 5


def test_a_problem_without_a_selected_row_is_left_out_or_shown_as_excluded(tmp_path):
    totals, lines = shard(tmp_path, [row("a", 9, rejected_by="mixed"), row("b", 9, rejected_by="contaminated")], "rl")
    assert lines == [] and totals["n_shards"] == 2
    (line,) = pq.read_table(tmp_path / "excluded" / "train-00000-of-00001.parquet").to_pylist()
    assert line["rejected_by"] == "contaminated" and line["problem_id"] == "p0"


def test_a_problem_that_nothing_can_reward_is_unfit(tmp_path):
    shard(tmp_path, [row("a", 9, answer=None)], "rl")
    assert unfit(tmp_path) == ["the problem has neither an answer nor tests, so nothing can reward it"]


# The recipes.

TRACE = "\n\n".join(
    [
        *("I add both numbers.", "The answer is 5.", "Wait, I count again on my fingers.", "The answer is 5.", "Hmm."),
        "Alternatively I could draw five strokes. That takes longer. It is the same.",
    ]
)


@pytest.fixture
def traces(tmp_path):
    """Two traces of one problem, a long one that says its answer early and a wrong one; one of another problem."""
    lines = [
        {"problem": "What is 2 + 3?", "answer": "5", "response": f"<think>\n{TRACE}\n</think>\n\n\\boxed{{5}}"},
        {"problem": "What is 2 + 3?", "answer": "5", "response": "<think>\n2 + 3 = 6\n</think>\n\n\\boxed{6}"},
        {"problem": "What is 1 + 4?", "answer": "5", "response": f"<think>\n{TRACE}\n</think>\n\n\\boxed{{5}}"},
    ]
    (tmp_path / "traces.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return str(tmp_path / "traces.jsonl")


@pytest.mark.slow
def test_the_recipe_of_modes_makes_a_set_of_each(traces, tmp_path):
    recipe = Recipe.read(ROOT / "recipes" / "modes.yaml", Change(input=traces))
    first, again = (run_inline(recipe, tmp_path / "store") for _ in range(2))
    counts = {name: made["n_rows"] for name, made in first.artifacts().items()}
    assert counts == {"thinkless": 4, "adactrl": 2, "autol2s": 2, "braking": 2}
    assert all(entry["n_computed"] == 0 for entry in again.manifest["nodes"].values())


def either_model(request):
    """A verbose model that is right, except for one seed in four, and a brief one that is."""
    if request.sampling.max_tokens > 4000:
        wrong = (request.seed or 0) % 4 == 0
        said = "2 + 3 = 6." if wrong else TRACE
        return f"<think>\n{said}\n</think>\n\n\\boxed{{{6 if wrong else 5}}}"
    return "2 + 3 = 5, so \\boxed{5}"


@pytest.mark.slow
def test_the_recipe_of_pairs_makes_preferences_weighted_rows_and_problems(tmp_path):
    lines = [{"problem": problem, "answer": "5"} for problem in ("What is 2 + 3?", "What is 1 + 4?")]
    (tmp_path / "problems.jsonl").write_text("\n".join(map(json.dumps, lines)))
    change = Change(input=str(tmp_path / "problems.jsonl"), engine="scripted:tests.test_release_formats:either_model")
    recipe = Recipe.read(ROOT / "recipes" / "pairs.yaml", change)
    first, again = (run_inline(recipe, tmp_path / "store") for _ in range(2))
    made = first.artifacts()
    assert made["redi_shards"]["n_rows"] == 4 and made["problems_for_rl"]["n_rows"] == 2
    assert made["preferences"]["n_rows"] >= 4 and calls_made(again) == 0
    for node in made:
        assert files_of(first, node) == files_of(again, node)


def test_the_schemas_are_those_that_trainers_ask_for():
    assert {"messages", "weight", "segments", "mode", "position"} <= set(SFT.schema.names)
    assert {"prompt", "chosen", "rejected", "prefix", "pair_kind"} <= set(PREFERENCE.schema.names)
    assert {"prompt", "answer", "kind", "tests", "pass_rate", "ref_len"} <= set(RL.schema.names)
