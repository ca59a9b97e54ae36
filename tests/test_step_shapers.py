"""Shapers that read scores of reasoning steps: PURE, Clip and Delta, CAPO."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.group_views import values, view
from trainer.shapers.clip_delta import ClipDelta
from trainer.shapers.process_penalty import ProcessPenalty
from trainer.shapers.step_softmin import StepSoftmin

SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def shaped(shaper, advantages, group):
    advantages = np.array([advantages], dtype=float)
    return shaper.shape(advantages, advantages, group, None)


def test_the_sum_of_step_rewards_comes_close_to_the_worst_step():
    scores = (1 + np.array([0.9, 0.8, -0.6, 0.7])) / 2
    assert abs(StepSoftmin().step_rewards(scores).sum() + 0.6) < 1e-3
    assert abs(StepSoftmin(temperature=1e-3).step_rewards(scores).sum() + 0.6) < 1e-12


@given(scores=SCORES)
def test_no_step_that_is_added_raises_the_return_above_the_worst_one_when_sharp(scores):
    least = 2 * min(scores) - 1
    assert StepSoftmin(temperature=1e-3).step_rewards(np.array(scores)).sum() == pytest.approx(least, abs=0.01)


def test_clip_leaves_what_is_good_enough_and_delta_makes_sums_telescope():
    scores = np.array([0.95, 0.95, 0.95, 0.4])
    assert values(ClipDelta(form="clip", eta=0.9).step_rewards(scores)) == [0, 0, 0, -0.5]
    assert values(ClipDelta(form="both", eta=0.9).step_rewards(scores)) == [0, 0, 0.5, -0.5]
    assert values(ClipDelta(form="delta").step_rewards(scores)) == [0, 0, 0.55, 0.4]


@given(scores=SCORES, place=st.integers(0, 7))
def test_duplicating_a_step_changes_no_return(scores, place):
    place %= len(scores)

    def returns(of):
        rewards = ClipDelta(eta=0.9).step_rewards(np.array(of))
        return np.cumsum(rewards[::-1])[::-1]

    twice = returns([*scores[: place + 1], *scores[place:]])
    assert np.allclose(np.delete(twice, place), returns(scores))


def test_a_token_is_credited_with_what_is_to_come_from_its_step_on():
    group = view([4, 1], [1, 1], step_ends=[[1, 3], []], step_scores=[[0.9, 0.2], []])
    found = shaped(ClipDelta(form="clip", eta=0.5), [1, 1], group)
    assert values(found) == [0.7, 0.7, 0.7, 1, 1, 0, 0, 0]  # behind the last step, and without steps: nothing


def test_a_step_is_compared_with_what_the_other_rollouts_earn_per_token_or_per_step():
    group = view([4, 2], [1, 1], step_ends=[[1, 4], [2]], step_scores=[[1.0, 0.0], [0.5]])
    per_token = shaped(ClipDelta(form="delta", baseline="token"), [0, 0], group)[0]
    # The second earns 0.5 on 2 tokens, so 0.25 a token; the first 1 on 4 tokens, the same rate.
    assert values(per_token[0]) == [0, -0.75, -0.75, -0.75]
    assert values(per_token[1]) == [0, 0, 0, 0]
    per_step = shaped(ClipDelta(form="delta", baseline="step"), [0, 0], group)[0]
    assert values(per_step[0]) == [0, -0.5, -0.5, -0.5]  # 1 - 2 * 0.5, then 0 - 0.5
    assert values(per_step[1]) == [0, 0, 0, 0]  # 0.5 - (1 + 0) / 2


def test_a_lone_rollout_is_compared_with_nothing():
    group = view([2], [1], step_ends=[[2]], step_scores=[[1.0]])
    assert values(shaped(StepSoftmin(), [0], group)) == [1, 1]


def test_wrong_steps_are_charged_and_the_group_is_centred_over_its_tokens():
    group = view([2, 2], [1, 0], step_ends=[[1, 2], []], step_scores=[[1.0, 0.0], []])
    found = shaped(ProcessPenalty(scale="none"), [2, 0], group)  # 2, 1 | 0, 0: mean 0.75
    assert values(found) == [1.25, 0.25, -0.75, -0.75]
    scaled = shaped(ProcessPenalty(), [2, 0], group)
    assert np.isclose((scaled**2).mean(), 1, atol=1e-3)


def test_a_group_of_empty_completions_gets_nothing():
    group = view([0, 0], [0, 0], step_ends=[[], []], step_scores=[[], []])
    assert values(shaped(ProcessPenalty(), [2, 0], group)) == [0, 0]
    assert values(shaped(StepSoftmin(), [1, -1], group)) == [0, 0]


def test_steps_that_nobody_judged_are_asked_for():
    assert StepSoftmin().needs_steps and ClipDelta().needs_steps and ProcessPenalty().needs_steps
    with pytest.raises(ValueError, match="judge the steps before the shapers run"):
        shaped(StepSoftmin(), [1], view([2], [1]))
