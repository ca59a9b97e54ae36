"""The chain of shapers, and what is refused before a run because its parts do not go together."""

import numpy as np
import pytest
from hypothesis import given, settings
from pydantic import TypeAdapter

from tests.group_views import values, view, views
from trainer.advantages import AdvantageChain, AnyShaper, composition_problems
from trainer.budgets.budget_set import BudgetSet
from trainer.budgets.constant import Constant
from trainer.shapers.control_token import ControlToken
from trainer.shapers.drpo import Drpo
from trainer.shapers.hbpo_subgroup import HbpoSubgroup
from trainer.shapers.normalise import Normalise
from trainer.shapers.prefix_tree import PrefixTree
from trainer.shapers.process_penalty import ProcessPenalty
from trainer.shapers.step_softmin import StepSoftmin
from trainer.terms.hbpo import Hbpo
from trainer.terms.kimi_length import KimiLength
from trainer.terms.laser import Laser
from trainer.terms.outcome import Outcome
from trainer.terms.rolling_median import RollingMedian


def test_advantages_come_in_group_order_one_per_rollout():
    groups = view([[1, 2], [3, 4]], [[1, 0], [1, 1]])
    found = AdvantageChain([Normalise(scale="none")]).advantages(np.array([[1.0, 0], [2, 4]]), groups)
    assert found.tolist() == [0.5, -0.5, -1, 1]


def test_or_one_per_token_when_a_shaper_looks_at_tokens():
    groups = view([[1, 2], [3, 0]], [[1, 0], [1, 1]])
    found = AdvantageChain([Normalise(scale="none"), ControlToken()]).advantages(groups.correct * 1.0, groups)
    assert found.shape == (4, 3)
    assert values(found[1]) == [-0.001, -0.5, 0]  # 0.001 * mean length 1.5 * -0.5, then the rest


@settings(max_examples=40)
@given(group=views())
def test_any_chain_gives_finite_numbers(group):
    n = group.correct.size
    judged = view(
        group.n_tokens,
        group.correct,
        token_ids=group.token_ids,
        budgets=group.budgets,
        step_ends=[[len(ids)] if len(ids) else [] for ids in group.token_ids],
        step_scores=[[0.3] if len(ids) else [] for ids in group.token_ids],
    )
    for cls in AnyShaper.__args__[0].__args__:
        for chain in (AdvantageChain([cls()]), AdvantageChain([Normalise(), cls(), cls()])):
            found = chain.advantages(group.correct * 1.0, judged)
            assert np.isfinite(found).all()
            assert found.shape in {(n,), (n, judged.n_positions)}


def test_a_chain_says_what_it_needs():
    assert AdvantageChain([Normalise(), Drpo(log_probs=True)]).needs_logps
    assert AdvantageChain([Normalise(), StepSoftmin()]).needs_steps
    plain = AdvantageChain([Normalise(), Drpo()])
    assert not plain.needs_logps and not plain.needs_steps


def test_a_shaper_is_read_by_its_name():
    found = TypeAdapter(AnyShaper).validate_python({"shaper": "normalise", "scale": "none"})
    assert found == Normalise(scale="none")


GROUP = Normalise(scale="group")
TRAP = (
    "shapers.normalise: dividing by a group's own spread cancels the weight of kimi_length where all rollouts are "
    "correct; set scale to batch or none, or allow_group_scaling: true"
)


def test_group_scaling_together_with_a_length_term_is_refused():
    assert composition_problems([Outcome(), KimiLength()], None, [GROUP]) == [TRAP]


@pytest.mark.parametrize(
    ("terms", "shaper"),
    [
        ([Outcome()], GROUP),
        ([Outcome(), KimiLength(weight=0)], GROUP),
        ([Outcome(), KimiLength()], Normalise()),
        ([Outcome(), KimiLength()], Normalise(scale="none")),
        ([Outcome(), KimiLength()], Normalise(scale="group", allow_group_scaling=True)),
    ],
)
def test_group_scaling_is_fine_without_one_or_when_it_is_meant(terms, shaper):
    assert composition_problems(terms, None, [shaper]) == []


@pytest.mark.parametrize("shaper", [PrefixTree(), ProcessPenalty()])
def test_other_shapers_that_divide_by_the_group_are_refused_too(shaper):
    (problem,) = composition_problems([KimiLength()], None, [shaper])
    assert "cancels the weight of kimi_length" in problem
    assert composition_problems([KimiLength()], None, [shaper.model_copy(update={"allow_group_scaling": True})]) == []


def test_a_term_that_judges_by_a_budget_needs_one_that_fits():
    assert composition_problems([Laser()], None, [Normalise()]) == [
        "laser: judges by a budget and none is set; set budget: {budget: constant, ...}"
    ]
    assert composition_problems([RollingMedian()], Constant(n_tokens=5), [Normalise()]) == [
        "rolling_median: judges by a budget and constant is not one for it; set budget: {budget: rolling_median, ...}"
    ]
    assert composition_problems([Laser()], Constant(n_tokens=5), [Normalise()]) == []


def test_hbpo_as_its_paper_has_it_goes_together():
    meant = Normalise(scale="group", allow_group_scaling=True)
    assert composition_problems([Hbpo()], BudgetSet(), [meant, HbpoSubgroup()], "dapo", 16) == []
    (problem,) = composition_problems([Hbpo()], BudgetSet(), [meant, HbpoSubgroup()], "dapo", 4)
    assert problem.startswith("budget.n_tokens: 5 budgets for 4 rollouts")


def test_a_formula_that_holds_under_another_loss_is_refused():
    assert composition_problems([Outcome()], None, [Drpo()], "grpo") == []
    assert composition_problems([Outcome()], None, [Drpo()], "dapo") == [
        "shapers.drpo: its formula holds under the loss grpo, not dapo; change one of the two"
    ]


def test_what_would_be_dropped_without_a_word_is_refused():
    assert composition_problems([Outcome()], None, [Normalise(), Drpo()]) == [
        "shapers.drpo: makes its own advantages and would drop what stands before it; put it first"
    ]
    assert composition_problems([Outcome(), KimiLength()], None, [Drpo()]) == [
        "shapers.drpo: reads no rewards, so kimi_length would do nothing; remove one of the two"
    ]


def test_rewards_and_shapers_must_be_there():
    assert composition_problems([Outcome(weight=0)], None, []) == [
        "rewards: no term has a weight; add {term: outcome}",
        "shapers: none, so rewards would have no baseline; add {shaper: normalise}",
    ]
