"""Training configurations: every mistake is named with its line, and the digest names what is learnt, not where."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.train_rows import TEACHER, dpo_config, sft_config
from trainer.config import DpoConfig, SftConfig, read_config
from trainer.errors import TrainError
from trainer.grpo_config import GrpoConfig

RECIPES = Path(__file__).parents[1] / "recipes" / "train"
GOOD = f"model: {TEACHER}\ndata: d\noutput: o\nlearning_rate: 1.0e-4\nmax_length: 512\nbatch_size: 4\n"


def mistakes(tmp_path, text):
    (tmp_path / "sft.yaml").write_text(text)
    with pytest.raises(TrainError) as caught:
        read_config(SftConfig, tmp_path / "sft.yaml")
    return str(caught.value).splitlines()


@pytest.mark.parametrize("path", sorted([*RECIPES.glob("sft_*.yaml"), RECIPES / "redi.yaml"]), ids=lambda p: p.stem)
def test_the_sft_configurations_that_ship_are_valid(path):
    assert read_config(SftConfig, path).max_length >= 1024


@pytest.mark.parametrize("path", sorted(RECIPES.glob("dpo_*.yaml")), ids=lambda p: p.stem)
def test_the_dpo_configurations_that_ship_are_valid(path):
    assert read_config(DpoConfig, path).beta > 0


def test_each_mistake_is_named_with_its_line(tmp_path):
    found = mistakes(tmp_path, GOOD + "learn_rate: 1\nlora:\n  rank: 0\n")
    assert [line.split(":")[1] for line in found] == ["7", "9"]
    assert "there is no field `learn_rate`" in found[0]
    assert "`lora.rank`: Input should be greater than or equal to 1" in found[1]


def test_a_field_or_term_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    (field,) = mistakes(tmp_path, GOOD + "learning_rat: 1\n")
    assert "there is no field `learning_rat`; did you mean `learning_rate`?" in field
    (tmp_path / "grpo.yaml").write_text(GOOD + "rewards:\n  - {term: outcome}\n  - {term: kimi_len}\n")
    with pytest.raises(
        TrainError, match=r"yaml:9: `rewards\.1`: there is no term `kimi_len`; did you mean `kimi_length`"
    ):
        read_config(GrpoConfig, tmp_path / "grpo.yaml")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lora: {rang: 8}", "`lora.rang`; did you mean `rank`?"),
        ("execution: {ray: {num_worker: 2}}", "`execution.ray.num_worker`; did you mean `num_workers`?"),
        ("rewards: [{term: cosine, exceeds: 1}]", "`rewards.0.cosine.exceeds`; did you mean `exceed`?"),
        ("rewards: [{term: outcome, wieght: 1}]", "`rewards.0.outcome.wieght`; did you mean `weight`?"),
    ],
)
def test_a_field_within_a_part_is_told_the_names_of_that_part(tmp_path, text, sentence):
    (tmp_path / "grpo.yaml").write_text(f"{GOOD}max_completion_tokens: 64\n{text}\n")
    with pytest.raises(TrainError) as caught:
        read_config(GrpoConfig, tmp_path / "grpo.yaml")
    told = str(caught.value).splitlines()
    assert f"{tmp_path / 'grpo.yaml'}:8: there is no field {sentence}" in told
    assert not any("Tuple" in line for line in told)


def test_a_mistake_within_a_term_has_the_line_of_its_field(tmp_path):
    (tmp_path / "grpo.yaml").write_text(GOOD + "rewards:\n  - term: outcome\n    weight: heavy\n")
    with pytest.raises(
        TrainError, match=r"grpo\.yaml:9: `rewards\.0\.outcome\.weight`: Input should be a valid number"
    ):
        read_config(GrpoConfig, tmp_path / "grpo.yaml")


def test_a_file_without_a_length_is_refused_because_trl_would_cut_at_1024(tmp_path):
    assert mistakes(tmp_path, GOOD.replace("max_length: 512\n", "")) == [
        f"{tmp_path / 'sft.yaml'}:1: `max_length` is missing"
    ]


def test_an_empty_file_lacks_every_field_that_has_no_default(tmp_path):
    assert [line.split(":1: ")[1] for line in mistakes(tmp_path, "# nothing yet\n")] == [
        f"`{name}` is missing" for name in ("data", "learning_rate", "max_length", "model", "output")
    ]


@pytest.mark.parametrize("text", ["- a\n", "model: [\n", "\x00"])
def test_what_is_no_mapping_is_refused_in_one_sentence(tmp_path, text):
    assert len(mistakes(tmp_path, text)) == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TrainError, match=r"none\.yaml: cannot be read \(No such file"):
        read_config(SftConfig, tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"batch_size": 6, "micro_batch_size": 4}, "`batch_size` 6 is no multiple of `micro_batch_size` 4"),
        ({"execution": {"ray": {"num_workers": 3}}}, "times 3 processes; choose one of 6, 12"),
        ({"redi": {}, "micro_batch_size": 1}, "`micro_batch_size` must be even"),
        ({"packing": True, "masked_thought": {}}, "exclude each other"),
        ({"max_share_cut": 1.0}, "less than 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(fields, sentence):
    with pytest.raises(ValidationError, match=sentence.replace("(", r"\(")):
        sft_config("d", "o", **fields)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"loss_type": ()}, "at least one loss"),
        ({"loss_weights": (1.0, 2.0)}, "2 values for 1 losses"),
        ({"loss_type": ("exo_pair",)}, "label_smoothing"),
    ],
)
def test_losses_that_trl_would_refuse_late_are_refused_at_once(fields, sentence):
    with pytest.raises(ValidationError, match=sentence):
        dpo_config("d", "o", **fields)


def test_the_digest_is_the_same_wherever_and_however_fast_it_runs():
    here = sft_config("d", "o")
    there = sft_config("d", "elsewhere", micro_batch_size=1, execution={"gradient_checkpointing": True})
    assert here.digest == there.digest
    assert here.digest != sft_config("d", "o", seed=1).digest
    assert here.digest != dpo_config("d", "o").digest


def test_the_digest_does_not_depend_on_where_the_files_lie(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "e" / "d").mkdir(parents=True)
    assert sft_config(str(tmp_path / "d"), "o").digest == sft_config(str(tmp_path / "e" / "d"), "o").digest
    assert str(tmp_path) not in str(sft_config(str(tmp_path / "d"), "o").identity)


def test_the_command_line_replaces_data_and_output(tmp_path):
    (tmp_path / "sft.yaml").write_text(GOOD)
    config = read_config(SftConfig, tmp_path / "sft.yaml", data=str(tmp_path), output="")
    assert (config.data, config.output) == (str(tmp_path), "o")


def test_places_are_looked_up_beside_the_file_and_in_the_project(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "sft.yaml").write_text(GOOD.replace(TEACHER, "tiny/teacher"))
    config = read_config(SftConfig, tmp_path / "sft.yaml")
    assert config.data == str(tmp_path / "d")
    assert Path(config.model).name == "teacher"
    assert Path(config.model).is_dir()
