"""Which problems a GRPO step trains on: rules, tracked success, TRL's order of repetition, resumed runs."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.pass_rates import PassRateStore
from trainer.samplers import (
    BalancedRepeats,
    ChunkSampler,
    DropSolved,
    Dynamic,
    EasyToHard,
    Facts,
    Prioritised,
    Random,
    luck,
)


def facts(n: int, pass_rates: list[float] | None = None) -> Facts:
    unknown = np.full(n, np.nan)
    return Facts(unknown if pass_rates is None else np.array(pass_rates), np.arange(n, dtype=float), unknown)


def sampler(rule, n: int = 10, n_prompts: int = 4, n_chunks: int = 5, n_repeats: int = 1, **fields) -> ChunkSampler:
    store = fields.pop("store", None) or PassRateStore([f"p{i}" for i in range(n)])
    pass_rates = fields.pop("pass_rates", None)
    return ChunkSampler(
        rule, facts(n, pass_rates), store, n_prompts=n_prompts, n_rollouts=3, n_repeats=n_repeats, n_chunks=n_chunks,
        seed=fields.pop("seed", 7),
    )  # fmt: skip


def solved(places: list[int], n: int = 10, n_rollouts: int = 8, success: float = 1.0) -> PassRateStore:
    """A store that has seen every problem; those at `places` with this success, the others with half."""
    store = PassRateStore([f"p{i}" for i in range(n)])
    for place in range(n):
        n_right = round((success if place in places else 0.5) * n_rollouts)
        store.update([f"p{place}"], np.array([[i < n_right for i in range(n_rollouts)]]))
    return store


def drawn(chunks: ChunkSampler) -> Counter:
    list(chunks)
    return Counter(place for chunk in chunks.chunks for place in chunk)


def test_a_place_comes_g_times_and_a_chunk_as_often_as_its_batch_is_used():
    places = list(sampler(Random(), n_chunks=2, n_repeats=2))
    first = places[:12]
    assert first == [place for place in first[::3] for _ in range(3)]
    assert places[12:24] == first and len(set(first)) == 4
    assert len(places) == len(sampler(Random(), n_chunks=2, n_repeats=2)) == 48


@given(st.integers(1, 6), st.integers(6, 30), st.integers(0, 1000))
def test_random_takes_every_problem_once_before_any_comes_again(n_prompts, n, seed):
    chunks = sampler(Random(), n=n, n_prompts=n_prompts, n_chunks=3 * n, seed=seed)
    counts = drawn(chunks)
    assert max(counts.values()) - min(counts.get(i, 0) for i in range(n)) <= 1
    assert all(len(set(chunk)) == n_prompts for chunk in chunks.chunks)


def test_a_curriculum_goes_from_the_easiest_to_the_hardest_problems():
    chunks = sampler(EasyToHard(by="level"), n=20, n_prompts=4, n_chunks=9)
    list(chunks)
    starts = [min(chunk) for chunk in chunks.chunks]
    assert starts == sorted(starts) and chunks.chunks[0] == [0, 1, 2, 3] and chunks.chunks[-1] == [16, 17, 18, 19]


def test_a_curriculum_by_pass_rate_begins_with_what_is_solved_most_often():
    chunks = sampler(EasyToHard(), n=4, n_prompts=1, n_chunks=4, pass_rates=[0.1, 0.9, 0.5, 0.7])
    list(chunks)
    assert chunks.chunks == [[1], [3], [2], [0]]


def test_a_curriculum_says_how_many_rows_lack_its_column():
    problem = EasyToHard().problems(facts(3, [0.5, np.nan, np.nan]))[0]
    assert "`pass_rate`, which 2 of 3 rows lack" in problem


def test_prioritised_draws_unsolved_problems_and_looks_at_solved_ones_now_and_then():
    counts = drawn(sampler(Prioritised(floor=0.05), store=solved([0, 1, 2, 3, 4]), n_chunks=500))
    rare, frequent = sum(counts[i] for i in range(5)), sum(counts[i] for i in range(5, 10))
    assert 0 < rare < 0.35 * frequent


@pytest.mark.parametrize("success", [0.0, 1.0])
def test_dynamic_hardly_ever_draws_what_is_always_or_never_solved(success):
    counts = drawn(sampler(Dynamic(), store=solved([0, 1], success=success), n_prompts=2, n_chunks=500))
    assert counts[0] + counts[1] < 0.05 * sum(counts.values())


def test_repeats_of_one_pass_are_6_4_4_2_0_by_fifths_of_the_pass_rate():
    counts = drawn(sampler(BalancedRepeats(), n=5, n_prompts=2, n_chunks=8, pass_rates=[0.1, 0.2, 0.5, 0.79, 0.8]))
    assert counts == {0: 6, 1: 4, 2: 4, 3: 2}


def test_repeats_need_pass_rates():
    assert "2 rows lack" in BalancedRepeats().problems(facts(3, [0.5, np.nan, np.nan]))[0]


def test_solved_problems_are_dropped_until_nothing_else_is_left():
    counts = drawn(sampler(DropSolved(), store=solved([0, 1, 2]), n_chunks=7))
    assert not counts.keys() & {0, 1, 2}
    few_left = drawn(sampler(DropSolved(), store=solved(list(range(8))), n_chunks=2))
    assert few_left[8] == few_left[9] == 2 and sum(few_left.values()) == 8


def test_two_processes_with_the_same_gathered_rows_draw_the_same_chunks():
    one, two = sampler(Prioritised()), sampler(Prioritised())
    places = zip(iter(one), iter(two), strict=True)
    for step in range(4):
        for store in (one.store, two.store):
            store.update([f"p{step}"], np.array([[True, False]]))
        assert all(mine == theirs for mine, theirs in islice(places, 12))
    assert one.chunks == two.chunks


def test_a_resumed_run_replays_its_chunks_and_then_goes_on_as_the_whole_one():
    whole, resumed = sampler(Random(), n_chunks=6), sampler(Random(), n_chunks=6)
    places = list(whole)
    resumed.load_state_dict({"chunks": whole.chunks[:3]})
    assert list(resumed) == places


def test_more_problems_per_step_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="needs 11 different problems and the data has 10"):
        sampler(Random(), n_prompts=11)


def test_luck_is_the_same_on_every_machine():
    assert luck(7, 0, 2).round(6).tolist() == LUCK


LUCK = [0.047076, 0.212282]


def test_later_rollouts_count_more_and_nothing_known_is_nan():
    store = PassRateStore(["a", "b"], memory=0.5)
    store.update(["a"], np.array([[True, True]]))
    store.update(["a"], np.array([[False, False]]))
    assert store.rates[0] == pytest.approx(1 / 3) and np.isnan(store.rates[1])


def test_a_stored_pass_rate_is_worth_one_group_at_most():
    store = PassRateStore(["a", "b"], memory=1.0)
    store.start_from(np.array([1.0, np.nan]), np.array([64.0, np.nan]), max_trials=2)
    store.update(["a"], np.array([[False, False]]))
    assert store.rates[0] == 0.5 and np.isnan(store.rates[1])


def test_tracked_success_survives_a_checkpoint():
    store = solved([3])
    again = PassRateStore([f"p{i}" for i in range(10)])
    again.load_state_dict(store.state_dict())
    assert again.rates.tolist() == store.rates.tolist()


def test_two_rows_of_one_id_are_refused():
    with pytest.raises(ValueError, match="same id"):
        PassRateStore(["a", "a"])
