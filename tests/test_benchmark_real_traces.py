"""What can go wrong in the benchmarks on real traces: kinds, removed steps, page, scripted model, scorer."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.asap_cost import in_ranges, is_kept, numbered, write
from benchmarks.real_traces import mid_ranks, pairs
from benchmarks.real_traces_page import choose, pair, render
from benchmarks.step_kinds import kind_of, left_numbers, survivors
from pipeline.engines.engine import GenerateRequest
from schemas.trace import segment
from stages.compress_asap_coarse import CompressAsapCoarse
from stages.pruning import without
from stages.step_numbers import read_numbers
from tests.asap_scripts import row

KINDS = [
    (r"So it is \boxed{5}.", "conclusion"),
    ("Wait, 3 + 4 = 8?", "check"),
    ("Let me double-check that 3 + 4 = 7.", "check"),
    ("Alternatively, we can factor it.", "branch"),
    ("But 7 is prime.", "contrast"),
    ("Okay, so the problem says that x = 3.", "restating"),
    ("We need to find the area.", "restating"),
    ("So the sum is 3 + 4 = 7.", "computing"),
    (r"\[ x^2 \approx 9 \]", "computing"),
    ("Waiting is no option; butter is yellow.", "other"),
]
TEXTS = st.lists(st.sampled_from(["Wait.", "So 1 + 1 = 2.", "Hmm, a\nb", "Wait. Then", "x"]), min_size=1, max_size=9)


@pytest.mark.parametrize(("step", "kind"), KINDS)
def test_the_first_rule_that_fits_gives_the_kind(step, kind):
    assert kind_of(step) == kind


@given(TEXTS, st.sets(st.integers(0, 8)))
def test_the_survivors_give_the_candidates_text_back(texts, gone):
    steps = segment("\n\n".join(texts))
    after = without(steps, gone)
    stays = survivors(steps, after)
    assert without(steps, {index for index, stay in enumerate(stays) if not stay}) == after


def test_a_cut_without_its_last_separator_has_survivors_too():
    assert survivors(segment("a\n\nb \n\nc"), "a\n\nb") == [True, True, False]


def test_a_text_that_is_no_part_of_the_source_is_refused():
    with pytest.raises(ValueError, match="no step of the source"):
        survivors(segment("a\n\nb"), "a\n\nc")


def test_a_number_from_nowhere_is_told_from_one_that_was_there():
    assert list(left_numbers("There are 12 of 30.", ["12 + 30 = 42", "42 - 17 = 25"])) == [True, True, True, False]


def test_equal_values_share_their_rank():
    assert mid_ranks([1.0, 3.0, 1.0, 0.0]) == [0.5, 0.875, 0.5, 0.125]


def bank():
    """Nine sources, each with a pruned candidate that lost its middle."""
    rows = []
    for index in range(9):
        source = row("First <b>", "Second & last <script>alert(1)</script>", "Third", trace_id=f"s{index}")
        source |= {"rejected_by": None, "n_source_reasoning_tokens": index, "n_reasoning_tokens": index}
        child = source | {"trace_id": f"c{index}", "parent_id": f"s{index}", "method": "asap"}
        rows += [source, child | {"reasoning": "First <b>\n\nThird"}]
    return rows


def test_the_sample_does_not_depend_on_the_order_of_the_rows():
    rows = bank()
    shuffled = random.Random(3).sample(rows, len(rows))
    assert [made["trace_id"] for _, made in choose(rows)] == [made["trace_id"] for _, made in choose(shuffled)]


def test_the_page_escapes_what_models_wrote_and_strikes_out_what_is_gone():
    page = render([pair(*next(pairs(bank(), "asap")), [0.5, 7.0, 1.25])])
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert page.count("<del>") == 1 and "7.00" in page


@given(st.lists(st.integers(1, 40), unique=True, min_size=1))
def test_ranges_are_read_back_as_the_numbers_they_stand_for(numbers):
    assert read_numbers(f"KEEP: {in_ranges(sorted(numbers))}", "KEEP", 40) == {number - 1 for number in numbers}


@given(st.lists(st.text("ab [2]\n=", min_size=1).filter(str.strip), min_size=3, max_size=8))
def test_the_scripted_model_keeps_the_same_steps_by_number_and_by_copy(texts):
    source = row(*texts)
    steps = segment(source["reasoning"])
    replies = {}
    for mode in ("numbers", "text"):
        request = CompressAsapCoarse(engine="e", mode=mode)._request(source, steps, 0)
        replies[mode] = write(GenerateRequest(messages=request.messages))
    kept = [index for index, step in enumerate(steps) if is_kept(step.text)]
    if kept:
        assert sorted(read_numbers(replies["numbers"], "KEEP", len(steps))) == kept
    assert replies["text"] == "\n\n".join(steps[index].text.strip() for index in kept)


def test_a_number_in_brackets_inside_a_step_is_no_step():
    assert list(numbered("[1] a [2] b\n\n[2] c\n\n[4] d")) == ["a [2] b", "c\n\n[4] d"]


@pytest.mark.slow
def test_the_scorers_window_gives_the_same_in_chunks_as_at_once(tmp_path):
    import torch

    from benchmarks.train_scorer import Text, build_model, train_on_texts
    from pipeline.engines.hf import continuation_logprobs

    torch.manual_seed(0)
    tokenizer = train_on_texts([Text("What?", "So 1 + 1 = 2. " * 40)], random.Random(1))
    model = build_model(tokenizer).eval()
    ids = torch.randint(5, len(tokenizer), (1, 1400))
    with torch.inference_mode():
        at_once = model(input_ids=ids).logits[0].log_softmax(-1)
    places = (0, 510, 700, 1100, 1380)
    found = continuation_logprobs(model, ids[0, :10].tolist(), ids[0, 10:].tolist(), places)
    expected = [at_once[9 + place, ids[0, 10 + place]].item() for place in places]
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_the_scorers_tokenizer_is_the_same_after_loading(tmp_path):
    from transformers import AutoTokenizer

    from benchmarks.train_scorer import Text, train_on_texts

    text = "Wait, let me check: 12 + 30 = 42.\n\nSo the answer is \\boxed{42}."
    tokenizer = train_on_texts([Text("What is 12 + 30?", text * 30)], random.Random(1))
    tokenizer.save_pretrained(tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path).encode(text) == tokenizer.encode(text)
