"""Every advantage shaper against a group worked out by hand; the two that claim a gradient, by autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.group_views import values, view, views
from trainer.shapers.control_token import ControlToken
from trainer.shapers.drpo import Drpo
from trainer.shapers.hbpo_subgroup import HbpoSubgroup
from trainer.shapers.normalise import Normalise
from trainer.shapers.oreal import Oreal
from trainer.shapers.positive_only import PositiveOnly
from trainer.shapers.prefix_tree import PrefixTree
from trainer.shapers.repetition import Repetition
from trainer.terms.kimi_length import KimiLength


def shaped(shaper, rewards, group, advantages=None, mean_logps=None):
    rewards = np.asarray(rewards, dtype=float).reshape(group.correct.shape)
    return shaper.shape(rewards if advantages is None else advantages, rewards, group, mean_logps)


# Normalise

PAIR = view([[1, 1], [1, 1]], [[1, 1], [1, 1]])


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("none", [1, -1, 2, -2]),
        ("rloo", [2, -2, 4, -4]),
        ("group", [0.707, -0.707, 0.707, -0.707]),  # standard deviations 1.414 and 2.828
        ("batch", [0.522, -0.522, 1.044, -1.044]),  # that of 2, 0, 4, 0 is 1.915
    ],
)
def test_rewards_are_centred_in_their_group_and_divided(scale, expected):
    found = shaped(Normalise(scale=scale), [2, 0, 4, 0], PAIR)
    assert np.allclose(found.ravel(), expected, atol=1e-3)


@pytest.mark.parametrize("scale", ["none", "rloo", "group", "batch"])
def test_a_group_of_one_or_of_equals_has_no_advantage(scale):
    assert values(shaped(Normalise(scale=scale), [3], view([5], [1]))) == [0]
    assert values(shaped(Normalise(scale=scale), [3, 3], view([5, 9], [1, 1]))) == [0, 0]


def test_rloo_leaves_the_rollout_out_of_its_own_baseline():
    found = shaped(Normalise(scale="rloo"), [3, 0, 6], view([1] * 3, 1))
    assert values(found) == [3 - 3, 0 - 4.5, 6 - 1.5]


def test_scaling_by_the_group_cancels_the_weight_of_a_length_term_and_none_does_not():
    group = view([100, 200, 300, 500], 1)
    length = KimiLength().value(group)
    by_group = [shaped(Normalise(scale="group"), 1 + weight * length, group) for weight in (1, 0.1, 0.001)]
    assert [(round(a.max(), 1), round(a.min(), 1)) for a in by_group] == [(1.0, -1.3), (1.0, -1.3), (0.8, -1.1)]
    linear = [shaped(Normalise(scale="none"), 1 + weight * length, group) for weight in (1, 0.1)]
    assert np.allclose(linear[0], 10 * linear[1])


# HBPO


def test_hbpo_adds_what_a_subgroup_earned_against_the_promise_of_its_budget():
    group = view([512, 512, 512, 512], 1, budgets=[1024, 1024, np.nan, np.nan])
    rewards, promise = [3, 2, 4, 0], 4 * np.cos(np.pi / 8)
    added = [2.5 - promise, 2.5 - promise, 2, 2]  # the free subgroup is promised 0
    assert values(shaped(HbpoSubgroup(), rewards, group, np.zeros((1, 4)))) == np.round(added, 3).tolist()
    twice = shaped(HbpoSubgroup(factor=2), rewards, group, np.zeros((1, 4)))
    assert values(twice) == np.round(2 * np.array(added), 3).tolist()


def test_hbpo_adds_to_every_token_where_advantages_have_tokens():
    group = view([2, 1], 1)
    found = shaped(HbpoSubgroup(), [1, 3], group, np.zeros((1, 2, 2)))
    assert values(found) == [2, 2, 2, 0]


# DRPO


@pytest.mark.parametrize(
    ("temperature", "expected"), [(0.1, [0.58, 0.32, 0.09, 0.008, -1]), (0.5, [0.33, 0.29, 0.23, 0.14, -1])]
)
def test_drpo_weighs_correct_lengths(temperature, expected):
    group = view([500, 1000, 2000, 4000, 99], [1, 1, 1, 1, 0])
    assert np.allclose(Drpo(temperature=temperature).coefficients(group, None), expected, atol=0.006)


def test_drpo_is_silent_where_all_or_none_are_correct():
    groups = view([[5, 9], [5, 9], [5, 9]], [[1, 1], [0, 0], [1, 0]])
    assert values(shaped(Drpo(), np.zeros((3, 2)), groups)) == [0, 0, 0, 0, 2, -2]


@given(group=views(), seed=st.integers(0, 99), log_probs=st.booleans())
def test_drpo_coefficients_sum_to_zero_and_never_push_a_correct_rollout_down(group, seed, log_probs):
    logps = -np.random.default_rng(seed).random(group.correct.shape) * 40
    found = Drpo(log_probs=log_probs).coefficients(group, logps)
    assert np.allclose(found.sum(axis=1), 0)
    assert (found[group.correct] >= 0).all() and (found[~group.correct] <= 0).all()


def test_drpo_has_the_gradient_of_its_objective_under_a_mean_over_rollouts():
    correct = [[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1]]
    group, tau = view([[100, 900, 50, 400]] * 3, correct, max_tokens=1000), 0.7
    s = torch.tensor(-np.random.default_rng(1).random((3, 4)), requires_grad=True)
    objective = torch.zeros(())
    for row, right in zip(s, torch.tensor(correct).bool(), strict=True):
        if right.any() and not right.all():
            lengths = torch.tensor([100.0, 900.0, 50.0, 400.0])
            weights = torch.softmax((1 - lengths[right] / 1000) / 0.1, dim=0)
            wrong = tau * torch.log(torch.exp(row[~right] / tau).mean())
            objective = objective + (weights * row[right]).sum() - wrong
    (wanted,) = torch.autograd.grad(objective / 3, s)
    advantages = shaped(Drpo(tau=tau, log_probs=True), np.zeros((3, 4)), group, mean_logps=s.detach().numpy())
    (found,) = torch.autograd.grad((torch.tensor(advantages) * s).mean(), s)
    assert torch.allclose(found, wanted, atol=1e-12)


def test_drpo_without_its_log_probs_says_so():
    assert Drpo(log_probs=True).needs_logps and not Drpo().needs_logps
    with pytest.raises(ValueError, match="no log-probs were given"):
        shaped(Drpo(log_probs=True), [1, 0], view([1, 2], [1, 0]))


# DeGRPO


def test_the_control_token_gets_a_loss_of_its_own():
    """A mean over all tokens, shaped, against alpha * mean at token 0 + mean over all others."""
    group, alpha, lengths = view([4, 2, 3], [1, 0, 1]), 0.01, torch.tensor([4, 2, 3])
    advantages = np.array([[0.5, -1.0, 0.5]])
    ratios = torch.ones(3, 4, requires_grad=True)
    there = torch.arange(4) < lengths[:, None]
    shape = torch.tensor(ControlToken(alpha=alpha).shape(advantages, advantages, group, None)[0])
    (found,) = torch.autograd.grad((ratios * shape * there).sum() / there.sum(), ratios)
    flat = torch.tensor(advantages[0])[:, None]
    two_parts = alpha * (ratios * flat)[:, 0].mean() + (ratios * flat * there)[:, 1:].sum() / there[:, 1:].sum()
    (wanted,) = torch.autograd.grad(two_parts, ratios)
    assert torch.allclose(found[:, 0], wanted[:, 0].to(found.dtype))
    assert torch.allclose(found[:, 1:], wanted[:, 1:].to(found.dtype) * (1 - 1 / 3))  # mean length 3


def test_at_five_thousand_tokens_the_control_token_weighs_five():
    group = view([5000, 5000], [1, 0], token_ids=[[0], [0]])
    assert values(shaped(ControlToken(), [1, -1], group)) == [5, -5]


def test_an_empty_completion_has_no_control_token():
    assert values(shaped(ControlToken(), [1, -1], view([0, 2], [0, 1]))) == [0, 0, -0.001, -1]


# OREAL


def test_oreal_keeps_one_correct_and_one_wrong_rollout():
    group = view([9, 5, 7, 3], [0, 1, 0, 1])
    assert values(shaped(Oreal(), [-2, 2, -2, 2], group)) == [-2, 4, 0, 0]
    assert values(shaped(Oreal(keep="shortest"), [-2, 2, -2, 2], group)) == [0, 0, -2, 4]
    assert values(shaped(Oreal(keep="all"), [-2, 2, -2, 2], group)) == [-1, 2, -1, 2]


def test_oreal_keeps_one_where_all_are_alike():
    assert values(shaped(Oreal(), [1, 1], view([9, 5], [1, 1]))) == [2, 0]
    assert values(shaped(Oreal(), [1, 1], view([9, 5], [0, 0]))) == [1, 0]


def test_oreal_weighs_tokens_by_the_scores_of_their_steps():
    steps = {"step_ends": [[1, 3], [2]], "step_scores": [[0.75, 0.2], [0.1]]}
    found = shaped(Oreal(token_weights="steps", wrong_factor=1), [2, -1], view([3, 3], [1, 0], **steps))
    assert values(found) == [1, 0, 0, -0.8, -0.8, 0]


# TEMPO


def tree(token_ids, rewards, **settings):
    group = view([len(ids) for ids in token_ids], 1, token_ids=token_ids)
    return shaped(PrefixTree(scale="none", **settings), rewards, group, np.zeros((1, len(token_ids))))[0]


def test_rollouts_that_share_nothing_get_their_credit_at_the_first_token():
    assert tree([[1, 9], [2, 9], [3, 9]], [3, 0, 0]).tolist() == [[2, 0], [-1, 0], [-1, 0]]


def test_identical_rollouts_get_none():
    assert tree([[1, 2, 3]] * 3, [1, 1, 1]).any() == np.False_


def test_credit_stands_where_rollouts_part():
    found = tree([[1, 2, 3], [1, 2, 4], [1, 5], [1, 2]], [4, 0, 0, 4])
    trunk = 8 / 3 - 2  # behind [1, 2] the mean is 8/3, before it 2
    assert np.allclose(found, [[0, trunk, 4 - 8 / 3], [0, trunk, -8 / 3], [0, -2, 0], [0, trunk, 0]])


def test_the_spread_of_the_group_scales_the_gain():
    group = view([1, 1], [1, 0], token_ids=[[1], [2]])
    assert values(shaped(PrefixTree(), [1, 0], group, np.zeros((1, 2)))) == [0.707, -0.707]
    assert values(shaped(PrefixTree(), [1], view([0], [1]), np.ones((1, 1)))) == [0]  # one empty completion


@given(group=views())
def test_the_gains_along_a_rollout_add_up_to_its_distance_from_the_mean(group):
    """Where no completion is another one's beginning, the last prefix of a rollout is its own."""
    ids = [[*tokens, 100 + place] for place, tokens in enumerate(group.token_ids)]
    rewards = np.random.default_rng(0).random(group.correct.shape)
    ended = view(group.n_tokens + 1, 1, token_ids=ids, max_tokens=99)
    found = shaped(PrefixTree(scale="none"), rewards, ended, np.zeros_like(rewards))
    assert np.allclose(found.sum(axis=2), rewards - rewards.mean(axis=1, keepdims=True), atol=1e-5)


# Small ones


def test_only_what_is_better_than_its_baseline_stays():
    assert values(shaped(PositiveOnly(), [1, -2, 0], view([1] * 3, 1))) == [1, 0, 0]


def test_exactly_the_repeated_tokens_are_charged():
    group = view([5, 2], 1, token_ids=[[1, 2, 1, 2, 3], [7, 7]])
    assert values(shaped(Repetition(n=2), [1, 0], group)) == [1, 1, 0.95, 0.95, 1, 0, 0, 0, 0, 0]
    assert Repetition().n == 40
