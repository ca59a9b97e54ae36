"""What the trainer refuses before it loads a weight: wrong sets, templates, lengths, tokenizers."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.train_rows import TEACHER, dpo_config, pair_rows, sft_config, sft_rows, turns, write
from trainer import dpo, sft
from trainer.data import read_data
from trainer.errors import TrainError

HIDING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ENDLESS = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
OPENING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


def refusal(config, method=sft):
    with pytest.raises(TrainError) as caught:
        method.plan(config, lambda line: None)
    return str(caught.value)


def plan(config, method=sft):
    return method.plan(config, lambda line: None)


def with_template(tmp_path, template):
    (tmp_path / "template.jinja").write_text(template)
    return {"chat_template": str(tmp_path / "template.jinja")}


def changed_teacher(tmp_path, **changes):
    folder = tmp_path / "teacher"
    shutil.copytree(TEACHER, folder)
    for name, change in changes.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
    return folder


def release(tmp_path, form="sft", n_rows=3):
    folder = tmp_path / "release"
    write(folder / "data", sft_rows(n_rows), "train-00000-of-00001.parquet")
    manifest = {
        "format": form,
        "counts": {"n_rows": n_rows},
        "digest": "d1",
        "files": [{"path": "data/train-00000-of-00001.parquet"}, {"path": "excluded/train-00000-of-00001.parquet"}],
        "origin": {"recipe": {"name": "quickstart", "digest": "r1"}},
    }
    (folder / "dataset.json").write_text(json.dumps(manifest))
    return folder


def test_a_release_is_read_with_its_digests_and_without_its_excluded_rows(tmp_path):
    data = read_data(release(tmp_path), "sft")
    assert (data.n_rows, data.digest, data.recipe, len(data.files)) == (3, "d1", "quickstart r1", 1)


def test_a_set_of_another_format_names_the_method_that_reads_it(tmp_path):
    with pytest.raises(TrainError, match=r"holds 3 rows of format `preference`, not `sft`; `laconic train dpo` reads"):
        read_data(release(tmp_path, "preference"), "sft")


def test_an_unfinished_release_is_refused(tmp_path):
    with pytest.raises(TrainError, match=r"has no `dataset.json`, so its release is unfinished"):
        read_data(tmp_path, "sft")


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"format": "sft", "counts": 3}', "\x00"])
def test_a_broken_manifest_is_refused(tmp_path, manifest):
    (tmp_path / "dataset.json").write_text(manifest)
    with pytest.raises(TrainError, match="is no manifest of a release"):
        read_data(tmp_path, "sft")


def test_a_lost_shard_is_named(tmp_path):
    folder = release(tmp_path)
    (folder / "data" / "train-00000-of-00001.parquet").unlink()
    with pytest.raises(TrainError, match=r"lacks 1 of 1 files, first train-00000-of-00001\.parquet"):
        read_data(folder, "sft")


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "rows.parquet").write_text("no")
    with pytest.raises(TrainError, match="is no Parquet file"):
        read_data(tmp_path / "rows.parquet", "sft")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"problem_id": "p"}], "needs the column `messages`, which is missing (1 rows)"),
        ([{"messages": turns("q", "a"), "colour": 1}], "has no column `colour`"),
        ([{"messages": "text"}], "column `messages` has type string"),
        ([{"messages": turns("q", "a"), "weight": "heavy"}], "column `weight` has type string"),
    ],
)
def test_a_wrong_column_is_refused_with_the_number_of_rows(tmp_path, rows, sentence):
    assert sentence in refusal(sft_config(write(tmp_path, rows), tmp_path / "o"))


def released(form, row):
    """One row under the whole schema of a release, all other columns null."""
    from schemas.release import FORMATS

    schema = FORMATS[form].schema
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema=schema)


def test_the_columns_of_a_release_are_known_and_empty_weights_weigh_nothing(tmp_path):
    pq.write_table(released("sft", sft_rows(1)[0]), tmp_path / "sft.parquet")
    prepared = sft._prepare(sft_config(str(tmp_path / "sft.parquet"), tmp_path / "o"))
    assert prepared.examples.rows.column_names == ["input_ids", "labels"]
    pair = pair_rows(1)[0]
    as_turns = {name: turns("", pair[name])[1:] for name in ("chosen", "rejected")}
    pq.write_table(released("preference", pair | as_turns), tmp_path / "pairs.parquet")
    assert plan(dpo_config(str(tmp_path / "pairs.parquet"), tmp_path / "o"), dpo)["n_rows_used"] == 1


def test_an_empty_set_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(sft_rows(1)).slice(0, 0), path)
    assert "has 0 rows" in refusal(sft_config(str(path), tmp_path / "o"))


def test_a_template_that_hides_the_thinking_is_refused_with_the_number_of_rows(tmp_path):
    rows = [*sft_rows(2), {"problem_id": "p9", "messages": turns("Say 4.", "4")}]
    said = refusal(sft_config(write(tmp_path, rows), tmp_path / "o", **with_template(tmp_path, HIDING)))
    assert said.startswith("data: in 2 of 3 rows the chat template hides the thinking; name a Jinja file")


def test_a_template_that_never_ends_a_turn_is_refused(tmp_path):
    said = refusal(sft_config(write(tmp_path, sft_rows(2)), tmp_path / "o", **with_template(tmp_path, ENDLESS)))
    assert "in 2 of 2 rows the chat template ends the turn without a token that stops generation" in said


def test_a_template_that_opens_the_thought_in_the_prompt_is_fine(tmp_path):
    config = sft_config(write(tmp_path, sft_rows(2)), tmp_path / "o", **with_template(tmp_path, OPENING))
    assert plan(config)["n_rows_used"] == 2


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    folder = changed_teacher(tmp_path)
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template" in refusal(
        sft_config(write(tmp_path, sft_rows(1)), tmp_path / "o", model=str(folder))
    )


def test_a_tokenizer_that_its_class_changes_is_refused(tmp_path):
    def other_split(tokenizer):
        return tokenizer | {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}}

    folder = changed_teacher(tmp_path, tokenizer=other_split)
    said = refusal(sft_config(write(tmp_path, sft_rows(1)), tmp_path / "o", model=str(folder)))
    assert "in another way than the file that it was loaded from" in said


def test_a_length_that_would_cut_rows_is_refused_with_the_number(tmp_path):
    said = refusal(sft_config(write(tmp_path, sft_rows(6)), tmp_path / "o", max_length=56))
    assert said.startswith("max_length: 56 tokens would cut 2 of 6 rows (33.3%), more than `max_share_cut` 0.0%")


def test_within_the_share_long_rows_are_left_out_whole_and_counted(tmp_path):
    planned = plan(sft_config(write(tmp_path, sft_rows(6)), tmp_path / "o", max_length=56, max_share_cut=0.4))
    assert planned["n_rows_used"] == 4
    assert planned["left_out"] == {"longer than `max_length`": 2}
    assert planned["n_tokens_of_row"]["max"] <= 56


def test_a_text_that_would_end_its_turn_early_is_left_out_and_counted(tmp_path):
    rows = [*sft_rows(2), {"problem_id": "p", "messages": turns("Say 4.", "4<|im_end|> and more")}]
    planned = plan(sft_config(write(tmp_path, rows), tmp_path / "o"))
    assert planned["left_out"] == {"a token that stops generation stands inside the answer": 1}


@pytest.mark.parametrize("messages", [[], turns("q", ""), turns("q", "a")[:1]])
def test_rows_without_an_answer_are_refused(tmp_path, messages):
    rows = [*sft_rows(2), {"problem_id": "p", "messages": messages}]
    said = refusal(sft_config(write(tmp_path, rows), tmp_path / "o"))
    assert "in 1 of 3 rows the last turn is not an assistant's text" in said


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_refused(tmp_path, weight):
    said = refusal(sft_config(write(tmp_path, sft_rows(2, weight=[1.0, weight])), tmp_path / "o"))
    assert "in 1 of 2 rows the weight is not a finite number" in said


def test_segments_outside_the_answer_are_refused(tmp_path):
    segments = [[{"start": 5, "end": 10_000, "kind": "masked"}], None]
    said = refusal(sft_config(write(tmp_path, sft_rows(2, segments=segments)), tmp_path / "o"))
    assert "in 1 of 2 rows a segment lies outside the answer" in said


def test_pairs_with_a_missing_member_are_refused(tmp_path):
    rows = pair_rows(3)
    rows[1]["rejected"] = None
    said = refusal(dpo_config(write(tmp_path, rows), tmp_path / "o"), dpo)
    assert "in 1 of 3 rows chosen, rejected or prompt is missing" in said


def test_a_dry_run_writes_nothing_and_counts_the_parameters(tmp_path):
    data, said = write(tmp_path, sft_rows(10)), []
    planned = sft.plan(sft_config(data, tmp_path / "o", lora={"rank": 4}), said.append)
    assert not (tmp_path / "o").exists()
    assert (planned["n_steps"], planned["units_per_step"]) == (3, 4)
    assert 0 < planned["n_parameters_trained"] < 100_000 < planned["n_parameters"]
    assert [line.split()[0] for line in said] == ["rows", "tokens", "steps", "budget", "trains", "writes"]


def test_an_output_folder_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "thesis.tex").write_text("")
    with pytest.raises(TrainError, match="holds something that is no training"):
        sft.train(sft_config(write(tmp_path, sft_rows(2)), tmp_path / "o"))
