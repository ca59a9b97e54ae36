"""A group view: shapes are checked, difficulty, spread and repetition are derived."""

import numpy as np
import pytest

from tests.group_views import values, view
from trainer.group_view import buckets
from trainer.n_grams import repeated_positions, repeated_share


def test_accuracy_decides_the_difficulty_of_a_group():
    groups = view([[1, 1, 1]] * 4, [[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert values(groups.accuracy) == [1.0, 0.667, 0.333, 0.0]
    assert groups.bucket.tolist() == ["easy", "easy", "medium", "hard"]


def test_an_unknown_pass_rate_has_no_difficulty():
    assert buckets(np.array([np.nan, 1.0, 0.5, 0.0])).tolist() == ["", "easy", "medium", "hard"]


def test_lengths_are_measured_against_the_correct_ones_of_the_group():
    assert values(view([100, 300, 500], [1, 1, 0]).length_z) == [-1.0, 1.0, 3.0]


def test_a_group_without_a_correct_rollout_or_with_equal_lengths_has_no_spread():
    assert values(view([100, 300], [0, 0]).length_z) == [0.0, 0.0]
    assert values(view([7, 7], [1, 1]).length_z) == [0.0, 0.0]
    assert values(view([7], [1]).length_z) == [0.0]


def test_a_repeated_n_gram_is_one_that_stood_before():
    assert repeated_share([1, 2, 1, 2, 1], 2) == 0.5  # 12 21 12 21: two of four
    assert repeated_positions([1, 2, 1, 2, 3], 2).tolist() == [False, False, True, True, False]
    assert repeated_share([], 3) == repeated_share([1, 2], 3) == 0.0
    assert repeated_positions([], 3).tolist() == []


def test_a_completion_that_goes_in_circles_is_repetitive():
    fresh, circling = list(range(100)), list(range(25)) * 4
    groups = view([100, 100, 0], [0, 0, 0], token_ids=[fresh, circling, []])
    assert groups.repetitive.tolist() == [[False, True, False]]
    assert values(groups.repetition) == [0.0, round(1 - 25 / 81, 3), 0.0]


def test_positions_reach_to_the_longest_completion_and_one_at_least():
    assert view([2, 5], [1, 1]).n_positions == 5
    assert view([2, 5], [1, 1], token_ids=[[1] * 9, [1] * 5]).n_positions == 9  # injected tokens have positions too
    assert view([0, 0], [0, 0]).n_positions == 1


def test_a_field_of_another_shape_is_refused_by_name():
    with pytest.raises(ValueError, match=r"token_ids: not the shape of `correct` \(1, 2\)"):
        view([1, 1], [1, 1], token_ids=[[1]])


@pytest.mark.parametrize(
    ("ends", "scores", "reason"),
    [
        ([[1], [1]], [[0.5], []], "one entry per step"),
        ([[1]], [[0.5]], "one list per rollout"),
        ([[2, 1], []], [[0.5, 0.5], []], "ascending"),
        ([[0], []], [[0.5], []], "from 1"),
        ([[4], []], [[0.5], []], "to the end"),
    ],
)
def test_steps_that_do_not_fit_the_completions_are_refused(ends, scores, reason):
    with pytest.raises(ValueError, match=reason):
        view([3, 3], [1, 1], step_ends=ends, step_scores=scores)
