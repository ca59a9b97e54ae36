"""The reward of a group: weights, gates, schedules, names, and properties that hold for every term."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tests.group_views import values, view, views
from trainer.budgets.constant import Constant
from trainer.gates import AnyGate, Schedule
from trainer.group_view import GroupView
from trainer.reward import AnyTerm, GroupReward
from trainer.terms.arora import Arora
from trainer.terms.kimi_length import KimiLength
from trainer.terms.laser import Laser
from trainer.terms.outcome import Outcome

RANGES = {
    "outcome": (0, 1),
    "format": (0, 1),
    "kimi_length": (-0.5, 0.5),
    "cosine": (-10, 2),
    "repetition": (-1, 0),
    "laser": (0, 1),
    "budget_triangle": (0, 1),
    "hbpo": (-1, 4),
    "rolling_median": (0, 1),
    "adactrl_tag": (-1, 1),
    "adactrl_length": (0, 1),
    "concise_r": (0, 1),
    "tldr": (0, 1),
    "mode_reward": (-1, 1),
    "adaptive_mode": (0, 1),
    "arora": (0, 1),
    "l1": (-1, 0),
    "overlong": (-1, 0),
}
SETTINGS = {"overlong": {"cache_tokens": 10}, "laser": {"explore": True}, "hbpo": {"cap_tokens": 60}}


def term(name):
    return TypeAdapter(AnyTerm).validate_python({"term": name, **SETTINGS.get(name, {})})


def gate(value):
    return TypeAdapter(AnyGate).validate_python(value)


def shuffled(group: GroupView, order: list[int]) -> GroupView:
    """The same view with every group's rollouts in another order."""
    n = group.n_rollouts
    grids = {f.name: getattr(group, f.name) for f in fields(group)}
    moved = {name: grid[:, order] for name, grid in grids.items() if isinstance(grid, np.ndarray) and grid.ndim == 2}
    ids = [group.token_ids[start + i] for start in range(0, group.correct.size, n) for i in order]
    return replace(group, **moved, token_ids=ids)


def test_the_range_of_every_term_is_tested():
    assert {cls.model_fields["term"].default for cls in AnyTerm.__args__[0].__args__} == set(RANGES)


@settings(max_examples=40)
@given(group=views())
def test_values_stay_in_their_range_and_are_numbers(group):
    for name, (low, high) in RANGES.items():
        found = term(name).value(group)
        assert found.shape == group.correct.shape, name
        assert (found >= low - 1e-9).all() and (found <= high + 1e-9).all(), name  # nan fails both


@settings(max_examples=40)
@given(group=views(), seed=st.integers(0, 99))
def test_the_order_of_rollouts_does_not_matter(group, seed):
    order = np.random.default_rng(seed).permutation(group.n_rollouts).tolist()
    other = shuffled(group, order)
    for name in RANGES:
        reward = GroupReward([term(name)], None, 60)
        assert np.allclose(reward.rewards(group)[0][:, order], reward.rewards(other)[0]), name


@settings(max_examples=40)
@given(group=views())
def test_a_term_that_tells_lengths_apart_says_so(group):
    alike = view(group.n_tokens, 1, modes="easy", budgets=30, max_tokens=60, token_ids=[[1]] * group.correct.size)
    for name in RANGES:
        flat = bool((np.ptp(term(name).value(alike), axis=1) < 1e-12).all())
        assert flat or term(name).by_length, name


def test_terms_are_added_with_their_weights_and_gates():
    terms = [Outcome(wrong=-0.5), KimiLength(weight=0.4, gate=gate("correct_only")), Laser()]
    group = view([100, 200, 300, 500], [1, 1, 0, 0])
    total, shares = GroupReward(terms, Constant(n_tokens=150), max_tokens=8192).rewards(group)
    assert values(shares["outcome"]) == [1, 1, -0.5, -0.5]
    assert values(shares["kimi_length"]) == [0.2, 0.1, 0, 0]
    assert values(shares["laser"]) == [0, 0, 0, 0]  # the view says what was stated: nothing
    assert values(total) == [1.2, 1.1, -0.5, -0.5]


def test_a_term_that_stands_twice_is_told_apart():
    _, shares = GroupReward([Outcome(), Laser(), Laser()], None, 60).rewards(view([5], [1], budgets=9))
    assert list(shares) == ["outcome", "laser", "laser_2"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("always", [[1, 1], [1, 1], [1, 1]]),
        ("correct_only", [[1, 1], [1, 0], [0, 0]]),
        ("all_correct", [[1, 1], [0, 0], [0, 0]]),
        ({"gate": "min_acc", "accuracy": 0.5}, [[1, 1], [1, 1], [0, 0]]),
        ({"gate": "bucket", "buckets": ["hard", "easy"]}, [[1, 1], [0, 0], [1, 1]]),
        ({"gate": "mode", "modes": ["short"]}, [[1, 0], [1, 0], [1, 0]]),
        ("wrong_and_not_repetitive", [[0, 0], [0, 1], [1, 0]]),
    ],
)
def test_gates(value, expected):
    ids = [[], [], [], [], [], [3] * 50]
    groups = view([[5, 5]] * 3, [[1, 1], [1, 0], [0, 0]], modes=[["short", ""]] * 3, token_ids=ids)
    assert gate(value).mask(groups).astype(int).tolist() == expected


def test_an_unknown_gate_is_refused():
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        gate("sometimes")
    with pytest.raises(ValidationError, match="buckets"):
        gate("bucket")


def test_a_schedule_waits_ramps_and_stays():
    schedule = Schedule(from_step=10, ramp_steps=4, start=0.0, end=2.0)
    assert [schedule.factor(step) for step in (0, 9, 10, 11, 14, 99)] == [0, 0, 0, 0.5, 2, 2]
    assert [Schedule(from_step=10).factor(step) for step in (9, 10)] == [0, 1]


def test_a_term_counts_from_its_first_step_on():
    reward = GroupReward([KimiLength(schedule=Schedule(from_step=5))], None, 60)
    assert values(reward.rewards(view([1, 2], [1, 1], step=4))[0]) == [0, 0]
    assert values(reward.rewards(view([1, 2], [1, 1], step=5))[0]) == [0.5, -0.5]


def test_a_field_that_a_term_does_not_have_is_refused():
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        TypeAdapter(AnyTerm).validate_python({"term": "arora", "beta": 1})
    assert TypeAdapter(AnyTerm).validate_python({"term": "arora", "alpha": 0.3}) == Arora(alpha=0.3)
