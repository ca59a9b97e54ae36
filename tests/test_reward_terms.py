"""Every reward term against a group worked out by hand, with its corners."""

import numpy as np
import pytest

from tests.group_views import values, view
from trainer.terms.adactrl_length import AdactrlLength
from trainer.terms.adactrl_tag import AdactrlTag
from trainer.terms.adaptive_mode import AdaptiveMode
from trainer.terms.arora import Arora
from trainer.terms.budget_triangle import BudgetTriangle
from trainer.terms.concise_r import ConciseR
from trainer.terms.cosine import Cosine
from trainer.terms.format import Format
from trainer.terms.hbpo import Hbpo
from trainer.terms.kimi_length import KimiLength
from trainer.terms.l1 import L1
from trainer.terms.laser import Laser
from trainer.terms.mode_reward import ModeReward
from trainer.terms.outcome import Outcome
from trainer.terms.overlong import Overlong
from trainer.terms.repetition import Repetition
from trainer.terms.rolling_median import RollingMedian
from trainer.terms.tldr import Tldr


def test_outcome_has_a_value_for_right_wrong_and_out_of_format():
    group = view([5, 5, 5], [1, 0, 1], formatted=[1, 1, 0.5])
    assert values(Outcome().value(group)) == [1, 0, 1]
    assert values(Outcome(wrong=-0.5, format_failure=-1).value(group)) == [1, -0.5, -1]


def test_format_pays_the_share_of_marks_that_are_there():
    assert values(Format().value(view([5, 5], [1, 0], formatted=[0.5, 1]))) == [0.5, 1]


@pytest.mark.parametrize(
    ("lengths", "correct", "expected"),
    [
        ([100, 200, 300, 500], [1, 1, 1, 1], [0.5, 0.25, 0, -0.5]),
        ([100, 200, 300, 500], [0, 0, 0, 0], [0, 0, 0, -0.5]),
        ([100, 200, 300, 500], [0, 1, 0, 1], [0, 0.25, 0, -0.5]),
        ([70, 70, 70], [1, 0, 1], [0, 0, 0]),
        ([0, 100], [0, 1], [0, -0.5]),
        ([42], [1], [0]),
    ],
)
def test_kimi_ranks_lengths_within_the_group(lengths, correct, expected):
    assert values(KimiLength().value(view(lengths, correct))) == expected


def test_cosine_slides_from_zero_to_the_cap_and_falls_off_beyond():
    lengths, cosine = [0, 7168, 14336, 14337], Cosine(cap_tokens=14336)
    assert values(cosine.value(view(lengths, 1, max_tokens=20000))) == [2, 1.5, 1, -10]
    assert values(cosine.value(view(lengths, 0, max_tokens=20000))) == [-10, -5, 0, -10]


def test_cosine_takes_a_cut_completion_for_one_beyond_the_cap():
    group = view([100, 100], [1, 1], truncated=True, max_tokens=100)
    assert values(Cosine(exceed=-3).value(group)) == [-3, -3]
    assert values(Cosine().value(view([100], [1], max_tokens=100))) == [1]


def test_repetition_charges_the_share_of_repeated_n_grams_of_wrong_completions():
    group = view([5, 5, 0], [0, 1, 0], token_ids=[[1, 2, 1, 2, 1], [1, 2, 1, 2, 1], []])
    assert values(Repetition(n=2).value(group)) == [-0.5, 0, 0]
    assert values(Repetition(n=2, of="all").value(group)) == [-0.5, -0.5, 0]


def test_laser_pays_correct_completions_within_the_budget():
    group = view([50, 100, 101, 50], [1, 1, 1, 0], budgets=100)
    assert values(Laser().value(group)) == [1, 1, 0, 0]
    assert Laser().weight == 0.5
    assert values(Laser(explore=True).value(view([50], [1]))) == [0]  # no budget


def test_laser_de_also_pays_a_wrong_search_beyond_it_that_does_not_circle():
    ids = [list(range(101)), [1] * 101, list(range(50)), list(range(101))]
    group = view([101, 101, 50, 101], [0, 0, 0, 1], budgets=100, token_ids=ids)
    assert values(Laser(explore=True).value(group)) == [1, 0, 0, 0]


def test_the_triangle_has_its_apex_at_the_budget_and_the_band_is_flat_below_it():
    group = view([0, 128, 256, 384, 512, 600], [1, 1, 0, 1, 1, 1], budgets=256)
    assert values(BudgetTriangle().value(group)) == [0, 0.5, 1, 0.5, 0, 0]
    assert values(BudgetTriangle(form="band").value(group)) == [1, 1, 1, 0.5, 0, 0]
    assert values(BudgetTriangle(form="band").value(view([10], [1]))) == [0]  # no budget


def test_hbpo_pays_less_for_more_and_most_near_the_budget():
    assert values(Hbpo().value(view([512, 1024, 2048], 1, budgets=1024))) == [3.696, 3.696, 2.578]
    assert values(Hbpo().value(view([512, 2048, 4096, 4097], 1))) == [3.923, 2.828, 0, 0]
    assert values(Hbpo().value(view([512, 5000], [0, 1], budgets=[1024, np.nan]))) == [0, 0]


def test_rolling_median_is_a_soft_step_for_correct_completions():
    group = view([100, 90, 110, 0, 100], [1, 1, 1, 1, 0], budgets=100)
    assert values(RollingMedian().value(group)) == [0.5, 0.731, 0.269, 1, 0]
    assert values(RollingMedian().value(view([100], [1]))) == [0]  # nothing seen yet
    assert values(RollingMedian().value(view([10**6], [1], budgets=1))) == [0]  # no overflow


def test_adactrl_tags_must_match_what_the_group_shows():
    modes = ["easy", "hard", "", "short"]
    assert values(AdactrlTag().value(view([5] * 4, [1, 1, 1, 0], modes=modes))) == [1, 0, -1, -1]
    assert values(AdactrlTag().value(view([5] * 8, [1] * 5 + [0] * 3, modes="hard"))) == [1] * 8  # 0.625 is hard


def test_adactrl_length_falls_along_a_cosine_for_correct_easy_ones():
    lengths = [0, 100, 200, 300, 400]
    assert values(AdactrlLength().value(view(lengths, 1, modes="easy"))) == [1, 0.854, 0.5, 0.146, 0]
    assert values(AdactrlLength().value(view([0, 0], [1, 0], modes="easy"))) == [1, 0]
    assert values(AdactrlLength().value(view([0, 9], [1, 1], modes=["hard", ""]))) == [0, 0]


def test_concise_r_counts_only_where_every_rollout_is_correct():
    groups, term = view([[100, 300], [100, 300]], [[1, 1], [1, 0]], max_tokens=400), ConciseR()
    assert (term.gate.mask(groups) * term.value(groups)).tolist() == [[0.75, 0.25], [0, 0]]


def test_arora_charges_correct_completions_by_their_standing_among_the_correct():
    half, above, below = 0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))
    expected = [1 - 0.2 * below, 1 - 0.2 * above, 0]
    assert values(Arora(alpha=0.2).value(view([100, 300, 900], [1, 1, 0]))) == np.round(expected, 3).tolist()
    assert values(Arora(alpha=0.2).value(view([100], [1]))) == [1 - 0.2 * half]
    assert values(Arora().value(view([9, 9], [1, 1], truncated=True))) == [0, 0]


def test_tldr_charges_as_much_as_the_level_asks():
    group = view([50, 50, 50, 50], [1, 1, 1, 0], modes=["short", "long", "", "short"])
    assert values(Tldr(alphas={"short": 0.4, "long": 0.1}).value(group)) == [0.8, 0.95, 1, 0]


def test_mode_reward_pays_the_short_mode_more():
    modes = ["short", "long", "short", "long", "", ""]
    group = view([9] * 6, [1, 1, 0, 0, 1, 0], modes=modes)
    assert values(ModeReward(no_mode=-2).value(group)) == [1, 0.5, -1, -1, -2, -2]


@pytest.mark.parametrize(
    ("correct", "margin", "expected"),
    [
        ([1, 0, 1, 0], 0.0, [1, 0, 0, 0]),  # as good: short wins
        ([0, 0, 1, 0], 0.0, [0, 0, 1, 0]),
        ([1, 0, 1, 1], 0.5, [1, 0, 0, 0]),  # within the margin
        ([1, 0, 1, 1], 0.4, [0, 0, 1, 1]),
        ([0, 0, 0, 0], 0.0, [0, 0, 0, 0]),
    ],
)
def test_the_mode_that_serves_the_prompt_gets_the_bonus(correct, margin, expected):
    group = view([9] * 4, correct, modes=["short", "short", "long", "long"])
    assert values(AdaptiveMode(margin=margin).value(group)) == expected


def test_a_group_in_one_mode_has_no_winner():
    assert values(AdaptiveMode().value(view([9, 9], [1, 1], modes="short"))) == [0, 0]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("exact", [-0.5, 0, -0.5, -0.5]),
        ("max_added", [0.75, 0.5, 0.25, 0.75]),
        ("max_multiplied", [0.75, 0.5, 0.25, 0]),
        ("max_paper", [1, 0.5, 0, 0]),
    ],
)
def test_l1_measures_the_distance_from_the_length_asked_for(form, expected):
    group = view([50, 100, 150, 50], [1, 1, 1, 0], budgets=100)
    assert values(L1(form=form, alpha=0.01).value(group)) == expected
    assert values(L1(form=form).value(view([5], [1]))) == [0]  # no budget


def test_overlong_slopes_down_before_the_cap():
    group = view([0, 60, 80, 100, 120], 1, max_tokens=100)
    assert values(Overlong(cache_tokens=40).value(group)) == [0, 0, -0.5, -1, -1]
