"""What a GRPO run checks before it loads anything: configuration, rows, verdicts, views, logs. The fast half."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from schemas.release import FORMATS
from schemas.verdict import Outcome, Verdict
from stages.rank_limr import RankLimr
from stages.rank_reward_variance import RankRewardVariance
from trainer import grpo
from trainer.config import read_config
from trainer.errors import TrainError
from trainer.grpo_config import GrpoConfig
from trainer.grpo_reward import RewardOfGroups, Rollout, Task, view_of
from trainer.outcome import Completion, Judged, OutcomeJudge, shares
from trainer.pass_rates import PassRateStore
from trainer.reward import GroupReward
from trainer.reward_log import REWARD_LOG, RewardLogWriter, keep_up_to
from trainer.rl_rows import read_rows
from trainer.rollouts import Plain
from trainer.rollouts.rollout import Opening
from trainer.terms.kimi_length import KimiLength
from trainer.terms.outcome import Outcome as OutcomeTerm

RECIPES = sorted(Path("recipes/train").glob("grpo_*.yaml"))
SMALL = {
    "model": "tiny/teacher", "data": "tiny/problems.jsonl", "output": "out", "learning_rate": 2e-4, "batch_size": 8,
    "micro_batch_size": 8, "n_rollouts": 4, "max_length": 512, "max_completion_tokens": 160, "dtype": "fp32",
    "rewards": [{"term": "outcome"}, {"term": "kimi_length", "weight": 0.4}], "execution": {"device": "cpu"},
}  # fmt: skip
EASY = {"problem_id": "p", "kind": "math", "answer": "4", "prompt": [{"role": "user", "content": "2+2?"}]}


def config(**changes) -> GrpoConfig:
    return GrpoConfig.model_validate(SMALL | changes)


def why_refused(**changes) -> str:
    with pytest.raises(ValidationError) as error:
        config(**changes)
    return str(error.value)


# --- configuration: the traps of TRL's defaults ---


def test_the_length_of_a_completion_must_be_said():
    with pytest.raises(ValidationError, match="max_completion_tokens\n  Field required"):
        GrpoConfig.model_validate({name: value for name, value in SMALL.items() if name != "max_completion_tokens"})


def test_a_group_may_not_be_split_between_processes():
    assert "gives each of 1 processes 6 completions, which splits groups of 4; choose one of 4, 8" in why_refused(
        batch_size=6, micro_batch_size=2
    )
    with pytest.raises(ValueError, match="gives each of 4 processes 2 completions"):
        config().check_whole_groups(4)
    config().check_whole_groups(2)


def test_dividing_by_the_groups_spread_is_refused_beside_a_length_term():
    assert "cancels the weight of kimi_length" in why_refused(shapers=[{"shaper": "normalise", "scale": "group"}])


def test_a_completion_and_a_prompt_share_max_length():
    assert "no room for a prompt" in why_refused(max_completion_tokens=512)


def test_a_vllm_server_is_refused_without_a_gpu_to_send_weights_from():
    assert "gets its weights over NCCL, from a GPU" in why_refused(vllm={"mode": "server"})


def test_elastic_limits_must_fit_into_a_completion():
    rollout = {"rollout": "elastic", "think_tokens": 150, "solution_tokens": 20}
    assert "may write 171 tokens, more than `max_completion_tokens` 160" in why_refused(rollout=rollout)


def test_a_checkpoint_never_falls_between_two_passes_over_a_batch():
    assert "make it a multiple of `n_iterations` 2" in why_refused(save_every=3, n_iterations=2)


def test_gppo_refuses_what_its_loss_leaves_out():
    assert "set `beta` and `entropy_coef` to 0" in why_refused(loss="gppo", beta=0.1)


def test_epochs_are_counted_in_problems():
    assert config(n_epochs=2.0).n_optimiser_steps(10) == 10
    assert config(n_steps=7).n_optimiser_steps(10) == 7


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_sound(path):
    prepared = grpo.prepare(read_config(GrpoConfig, path))
    assert prepared.plan["n_rows_used"] > 100 and prepared.plan["n_steps"] == 70


def test_there_is_a_recipe_for_every_family():
    families = {"kimi", "cosine", "laser_d", "curriculum", "hbpo", "concise_r", "adactrl", "drpo", "degrpo", "elastic"}
    assert {path.stem.removeprefix("grpo_") for path in RECIPES} >= families


# --- rows ---


def problems(tmp_path: Path, *rows: dict) -> str:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_the_plan_says_which_vllm_would_generate():
    prepared = grpo.prepare(config(levels=["1"], vllm={"mode": "colocate"}))
    assert prepared.lines()[-1].startswith("note     generation by vLLM 0.")


def test_copies_of_a_problem_are_counted_and_levels_chosen(tmp_path):
    row = {"problem": "2+2?", "answer": "4", "level": "1"}
    rows = read_rows(problems(tmp_path, row, row, {"problem": "1+1?", "answer": "2", "level": "2"}), levels=["1"])
    assert (len(rows.rows), rows.n_read, rows.n_copies) == (1, 2, 1)
    assert rows.facts.levels.tolist() == [1.0] and np.isnan(rows.facts.pass_rates).all()


def test_released_rows_bring_their_pass_rates_and_reference_lengths(tmp_path):
    row = {"problem_id": "p", "prompt": EASY["prompt"], "problem": "2+2?", "answer": "4", "kind": "math"}
    grades = {"pass_rate": 0.75, "pass_n": 8, "ref_len": 20, "ref_len_p50": 30}
    pq.write_table(pa.Table.from_pylist([row | grades], schema=FORMATS["rl"].schema), tmp_path / "rl.parquet")
    rows = read_rows(tmp_path / "rl.parquet")
    assert rows.rows[0]["prompt"] == EASY["prompt"] and rows.facts.pass_rates.tolist() == [0.75]
    assert rows.facts.reference_n_tokens.tolist() == [30.0] and rows.pass_ns.tolist() == [8.0]


def test_rows_that_nobody_can_judge_refuse_the_set(tmp_path):
    place = problems(tmp_path, {"problem": "2+2?", "answer": "4"}, {"problem": "Why?", "answer": None})
    with pytest.raises(TrainError, match="1 of 2 problems have neither a gold answer nor tests"):
        read_rows(place)


def test_a_line_that_is_no_problem_is_named(tmp_path):
    with pytest.raises(TrainError, match=r"rows.jsonl:1: a row needs `problem`"):
        read_rows(problems(tmp_path, {"question": "?"}))


def test_prompts_that_leave_no_room_are_refused_with_their_number(tmp_path):
    place = problems(tmp_path, EASY | {"problem": "x"}, {"problem": "long " * 300, "answer": "1"})
    with pytest.raises(TrainError, match="1 of 2 prompts have more than 352 tokens"):
        grpo.prepare(config(data=place))
    assert grpo.prepare(config(data=place, max_share_cut=0.5, batch_size=4, micro_batch_size=4)).rows.n_too_long == 1


def test_a_sampler_without_its_column_is_refused():
    with pytest.raises(TrainError, match=r"sampler `easy_to_hard` orders by `pass_rate`, which .* rows lack"):
        grpo.prepare(config(levels=["1"], sampler={"sampler": "easy_to_hard"}))


# --- verdicts ---


def judged(text: str, row: dict = EASY, truncated: bool = False, judge: OutcomeJudge | None = None) -> Judged:
    return (judge or OutcomeJudge()).judge([Completion(row, text, truncated)])[0]


def test_the_response_is_judged_and_not_the_thought():
    assert judged("<think>\n2+2 is 4\n</think>\n\nThe answer is \\boxed{4}.") == Judged("correct", 1.0)
    assert not judged("<think>\n\\boxed{4}\n</think>\n\nThe answer is \\boxed{5}.").correct


def test_what_was_cut_is_wrong_even_with_the_right_answer():
    one = judged("<think>\n2+2\n</think>\n\n\\boxed{4}", truncated=True)
    assert not one.correct and one.outcome == "truncated"


def test_half_of_the_format_is_a_closed_thought_and_half_a_marked_answer():
    assert judged("<think>\nx\n</think>\n\nIt is 4.").formatted == 0.5
    assert judged("\\boxed{4}").formatted == 0.5
    assert judged("<think>\nx </think> y </think>\n\n4").formatted == 0.0


class Stuck:
    name = version = "stuck"

    def __init__(self):
        self.let_go = threading.Event()

    def verify(self, problem, response, *, truncated=False):
        self.let_go.wait(30)
        return Verdict(Outcome.CORRECT, None, "", "stuck", 0.0)


def test_a_judge_that_hangs_is_given_up_counted_and_wrong_and_does_not_block_the_next():
    stuck = Stuck()
    judge = OutcomeJudge(timeout_s=0.1, n_threads=1, verifiers={"math": stuck})
    start_s = time.monotonic()
    one, two = (judged("4", judge=judge) for _ in range(2))
    stuck.let_go.set()
    assert time.monotonic() - start_s < 5 and not one.correct and shares([one, two]) == {"timeout": 1.0}
    assert judged("4", judge=judge).correct


def test_choices_and_short_texts_have_their_own_judges():
    choice = {"problem_id": "c", "kind": "choice", "answer": "B", "choices": ["1", "2"], "problem": "?"}
    assert judged("<think>\nx\n</think>\n\nThe answer is (B).", choice).correct


@pytest.mark.slow
def test_programs_are_judged_by_their_tests():
    tests = json.dumps({"inputs": ["3\n"], "outputs": ["6\n"]})
    code = {"problem_id": "d", "kind": "code", "answer": None, "tests": tests, "problem": "Double it."}
    right = judged("<think>\nx\n</think>\n\n```python\nprint(2 * int(input()))\n```", code)
    assert right.correct and right.formatted == 1.0
    assert judged("```python\nprint(7)\n```", code).outcome == "incorrect"


# --- from rollouts to rewards ---


def rollouts(row_ids: list[str], correct: list[bool], n_tokens: list[int]) -> list[Rollout]:
    return [
        Rollout(row_id, Judged("correct" if right else "incorrect", 1.0), n, False, np.nan, "", np.nan, [5] * n)
        for row_id, right, n in zip(row_ids, correct, n_tokens, strict=True)
    ]


def test_a_view_holds_one_group_per_row():
    store = PassRateStore(["a", "b"])
    view = view_of(rollouts(list("aabb"), [True, False, True, True], [3, 1, 2, 2]), 2, store, step=3, max_tokens=9)
    assert view.row_ids == ("a", "b") and view.correct.tolist() == [[True, False], [True, True]]
    assert view.n_tokens.tolist() == [[3, 1], [2, 2]] and view.step == 3


def test_groups_that_were_mixed_are_an_error():
    with pytest.raises(ValueError, match="do not stand side by side"):
        view_of(rollouts(list("abab"), [True] * 4, [1] * 4), 2, PassRateStore(["a", "b"]), 0, 9)


def rewards_of(ids: list[list[int]], texts: dict[int, str], n_trained: list[int] | None = None) -> RewardOfGroups:
    score = RewardOfGroups(
        reward=GroupReward([OutcomeTerm(), KimiLength()], None, 100), store=PassRateStore(["p"]), judge=OutcomeJudge(),
        rollout=Plain(), decode=lambda ids: texts[ids[0]], end_ids=frozenset([2]), n_rollouts=len(ids), max_tokens=100,
        gather=lambda mine: mine, process_index=0,
    )  # fmt: skip
    score.tasks = [Task(EASY, "", "", Opening(), float("nan"))] * len(ids)
    score.values = score(completion_ids=ids, trainer_state=type("State", (), {"global_step": 0}), n_trained=n_trained)
    return score


def test_a_reward_adds_the_outcome_and_the_length_within_the_group():
    texts = {7: "\\boxed{4}", 8: "\\boxed{5}"}
    score = rewards_of([[7, 2], [7, 7, 7, 2], [8, 8, 8, 2], [7, 7]], texts)
    assert score.values == [1.5, 0.5, -0.5, 0.0]  # the last one never ended: truncated, wrong, and short
    assert score.scored.view.truncated.tolist() == [[False, False, False, True]]


def test_injected_tokens_are_no_length():
    score = rewards_of([[7, 2], [7, 9, 9, 2]], {7: "\\boxed{4}"}, n_trained=[2, 2])
    assert score.scored.view.n_tokens.tolist() == [[2, 2]] and score.values == [1.0, 1.0]


# --- the reward log ---


def write_log(folder: Path) -> Path:
    store, writer = PassRateStore(["a", "b"]), RewardLogWriter(folder)
    for step in (1, 2, 3):
        view = view_of(rollouts(list("aabb"), [True, step > 1, False, step > 2], [4, 2, 3, 3]), 2, store, step, 9)
        writer.add(step, view, view.correct.astype(float))
    return folder / REWARD_LOG


def test_the_stages_that_rank_by_a_reward_log_read_it_as_it_is(tmp_path):
    path = write_log(tmp_path)
    log = RankLimr(log=str(path)).rewards()
    assert log.curves == {"a": (0.5, 1.0, 1.0), "b": (0.0, 0.0, 0.5)}
    assert RankLimr(log=str(path)).problems() == RankRewardVariance(log=str(path)).problems() == []
    assert pl.read_ndjson(path)["n_tokens"].to_list()[0] == 3.0


def test_a_resumed_run_takes_back_what_lies_beyond_its_checkpoint(tmp_path):
    path = write_log(tmp_path)
    with path.open("a") as file:
        file.write('{"problem_id": "a", "st')
    keep_up_to(path, 2)
    assert pl.read_ndjson(path)["step"].to_list() == [1, 1, 2, 2]
    keep_up_to(tmp_path / "none.jsonl", 2)
