"""Token budgets: what is stated before generation, what terms judge by, and a memory that survives a resume."""

import json

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tests.group_views import values, view
from trainer.budgets.adaptive_bucket import AdaptiveBucket, expected_correct
from trainer.budgets.budget_set import BudgetSet
from trainer.budgets.constant import Constant
from trainer.budgets.exp_steps import ExpSteps
from trainer.budgets.per_row import PerRow
from trainer.budgets.rolling_median import RollingMedian
from trainer.reward import AnyBudget, GroupReward
from trainer.terms.laser import Laser
from trainer.terms.outcome import Outcome
from trainer.terms.rolling_median import RollingMedian as RollingMedianTerm

UNKNOWN = np.array([np.nan, np.nan])


def stated(budget, step=0, pass_rates=UNKNOWN, n_rollouts=2, **reference):
    reward = GroupReward([Outcome()], budget, max_tokens=8192)
    return reward.budgets(["a", "b"], pass_rates, n_rollouts, step, **reference)


def test_without_a_rule_no_rollout_has_a_budget():
    assert np.isnan(stated(None)).all()


def test_a_constant_is_the_same_for_all():
    assert stated(Constant(n_tokens=500)).tolist() == [[500, 500], [500, 500]]


def test_the_curriculum_drops_by_a_factor():
    budget = ExpSteps(start_tokens=256, gamma=0.7, interval_steps=150)
    assert [round(budget.n_tokens(step), 1) for step in (0, 149, 150, 300, 450)] == [256, 256, 179.2, 125.4, 87.8]
    assert budget.n_tokens(10**5) == 1


def test_the_general_form_reaches_its_end_after_n_drops_and_stays():
    budget = ExpSteps(start_tokens=256, end_tokens=87.808, n_drops=3, total_steps=600)
    assert [round(budget.n_tokens(step), 1) for step in (0, 150, 300, 450, 5000)] == [256, 179.2, 125.4, 87.8, 87.8]
    uneven = ExpSteps(start_tokens=100, end_tokens=25, n_drops=2, total_steps=100)
    assert [uneven.n_tokens(step) for step in (33, 34, 66, 67, 99)] == [100, 50, 50, 25, 25]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"gamma": 0.7},
        {"gamma": 0.7, "interval_steps": 5, "n_drops": 2},
        {"end_tokens": 5, "n_drops": 2},
    ],
)
def test_half_a_curriculum_is_refused(fields):
    with pytest.raises(ValidationError, match="give `gamma` and `interval_steps`, or"):
        ExpSteps(start_tokens=100, **fields)


def test_a_row_gets_a_share_of_its_reference_and_none_without_one():
    reference = np.array([1000.0, np.nan])
    found = stated(PerRow(factor=0.5, min_tokens=64), reference_n_tokens=reference)
    assert found[0].tolist() == [500, 500]
    assert np.isnan(found[1]).all()
    assert stated(PerRow(min_tokens=64), reference_n_tokens=np.array([0.0, 9.0])).tolist() == [[64, 64], [64, 64]]


def test_a_set_is_split_evenly_over_the_rollouts_in_order():
    found = stated(BudgetSet(n_tokens=(512, 1024, 2048, None)), n_rollouts=8)[1]
    assert np.nan_to_num(found, nan=0).tolist() == [512, 512, 1024, 1024, 2048, 2048, 0, 0]


def test_more_budgets_than_rollouts_are_refused():
    assert BudgetSet().problems(16) == []
    assert BudgetSet().problems(4) == [
        "budget.n_tokens: 5 budgets for 4 rollouts per prompt; name at most 4, or generate more rollouts"
    ]


# LASER-D


def test_easy_problems_get_a_tight_budget_and_hard_ones_are_covered_whole():
    rule, easy, hard = AdaptiveBucket(), [300, 800, 2000, 4000, 6500, 9000], [3000, 7000, 11000, 15000]
    assert rule.cover(easy, expected_correct("easy", 8), 16384) == 1024
    assert rule.cover(hard, expected_correct("hard", 8), 16384) == 15360
    assert rule.cover(hard, expected_correct("hard", 8), 15100) == 15000  # no grid point within the cap
    assert AdaptiveBucket(lower_tokens=4096).cover(easy, 5, 16384) == 4096


def test_a_budget_exactly_on_the_grid_covers_its_length():
    assert AdaptiveBucket().cover([1024], 1, 8192) == 1024
    assert AdaptiveBucket().cover([1025], 1, 8192) == 2048


def test_expected_correct_rollouts_follow_the_size_of_the_group():
    assert [expected_correct(bucket, 8) for bucket in ("easy", "medium", "hard")] == [5, 3, 1]
    assert [expected_correct(bucket, 1) for bucket in ("easy", "medium", "hard")] == [1, 1, 1]


def test_buckets_are_looked_at_every_few_steps_and_keep_what_they_had():
    rule = AdaptiveBucket(every_steps=2, lower_tokens=10, interval_tokens=10)
    reward = GroupReward([Laser()], rule, max_tokens=100)
    groups = [view([[5, 35], [50, 61]], [[1, 1], [0, 0]], step=step, max_tokens=100) for step in range(3)]
    assert rule.targets(groups[0], {}).tolist() == [[100, 100], [100, 100]]  # the cap, before anything is known
    for group in groups[:2]:
        reward.observe(group)
    assert reward.state_dict()["budget"]["tokens"] == {"easy": 40, "hard": 70}  # 1 of 2 expected correct: all covered
    reward.observe(groups[2])
    medium = view([[5, 5]], [[1, 0]], max_tokens=100)
    assert reward.rewards(medium)[0].tolist() == [[0.5, 0]]
    assert rule.targets(medium, reward.state_dict()["budget"]).tolist() == [[100, 100]]  # no medium group was seen


def test_before_generation_the_stored_pass_rate_decides():
    rule, rates = AdaptiveBucket(start_tokens=500), np.array([0.9, np.nan])
    reward = GroupReward([Laser()], rule, max_tokens=8192)
    reward.load_state_dict({"budget": {"tokens": {"easy": 1024}}})
    found = reward.budgets(["a", "b"], rates, 2, 0)
    assert found[0].tolist() == [1024, 1024]
    assert np.isnan(found[1]).all()


# TRAAC


def test_the_median_is_that_of_recent_correct_completions_of_the_same_difficulty():
    rule, state = RollingMedian(window_steps=2), {}
    assert np.isnan(rule.targets(view([9, 9], [1, 1]), state)).all()
    for step, lengths in enumerate([[1000, 1000], [10, 20], [30, 40]]):
        state = rule.observed(view([lengths, [7, 99]], [[1, 1], [1, 0]], step=step), state)
    both = view([[9, 9], [9, 9], [9, 9]], [[1, 1], [1, 0], [0, 0]])
    assert values(rule.targets(both, state)[:2]) == [25, 25, 7, 7]
    assert np.isnan(rule.targets(both, state)[2]).all()  # nothing hard was solved


def test_a_group_is_judged_by_the_steps_before_its_own():
    reward = GroupReward([RollingMedianTerm()], RollingMedian(), max_tokens=8192)
    group = view([100, 100], [1, 1])
    assert values(reward.rewards(group)[0]) == [0, 0]
    reward.observe(group)
    assert values(reward.rewards(group)[0]) == [0.5, 0.5]


# Resume


@pytest.mark.parametrize(
    ("rule", "term"),
    [
        (AdaptiveBucket(every_steps=3, lower_tokens=10, interval_tokens=10), Laser()),
        (RollingMedian(window_steps=4), RollingMedianTerm()),
    ],
)
@pytest.mark.parametrize("stop", range(8))
def test_a_resumed_run_equals_an_uninterrupted_one(rule, term, stop):
    random = np.random.default_rng(stop)
    steps = [
        view(random.integers(1, 90, (4, 8)), random.random((4, 8)) < 0.6, step=step, max_tokens=90) for step in range(8)
    ]
    whole, first, second = (GroupReward([term], rule, max_tokens=90) for _ in range(3))
    resumed = first
    for step, group in enumerate(steps):
        if step == stop:
            second.load_state_dict(json.loads(json.dumps(first.state_dict())))
            resumed = second
        assert (whole.rewards(group)[0] == resumed.rewards(group)[0]).all()
        whole.observe(group)
        resumed.observe(group)
    assert whole.state_dict() == resumed.state_dict()


def test_a_state_is_never_changed_in_place():
    reward = GroupReward([Laser()], AdaptiveBucket(), max_tokens=90)
    reward.observe(view([5, 6], [1, 0]))
    kept = reward.state_dict()
    copy = json.loads(json.dumps(kept))
    reward.observe(view([7, 8], [1, 0], step=1))
    assert kept == copy


def test_a_rule_is_read_by_its_name():
    read = TypeAdapter(AnyBudget).validate_python
    assert read({"budget": "constant", "n_tokens": 9}) == Constant(n_tokens=9)
    assert read({"budget": "budget_set", "n_tokens": [9, None]}) == BudgetSet(n_tokens=(9, None))
    with pytest.raises(ValidationError, match="does not match any of the expected tags"):
        read({"budget": "some"})
