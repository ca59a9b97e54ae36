"""Every markup form is read, real files agree, and what is written is read back as it was."""

import os
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.markup import Flag, Markup, parse_completion, render_completion

DATA = Path(os.environ.get("LACONIC_DATA", "../shared/data"))
PIECES = (
    "<think>", "</think>", "<answer>", "</answer>", "<|begin_of_thought|>", "<|end_of_thought|>",
    "<|begin_of_solution|>", "<|end_of_solution|>", "think\n", "\nanswer\n", "\n", "\r\n", "  ", "Wait", "x = 2",
)  # fmt: skip
any_text = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=20).map("".join)

FORMS = [
    ("<think>\na\n</think>\n\nb", "a", "b", Markup.THINK),
    ("<think>a</think>b", "a", "b", Markup.THINK),
    ("a\n</think>\n\nb", "a", "b", Markup.THINK_CLOSE_ONLY),
    ("<think>\n\n</think>\n\nb", "", "b", Markup.THINK),
    ("<|begin_of_thought|>\n\na\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nb\n\n<|end_of_solution|>", "a", "b",
     Markup.SKY),
    ("a\n<|end_of_thought|>\n<|begin_of_solution|>b<|end_of_solution|>", "a", "b", Markup.SKY_CLOSE_ONLY),
    ("think\na\nanswer\nb", "a", "b", Markup.S1),
    ("<|im_start|>think\na\n<|im_start|>answer\nb", "a", "b", Markup.S1),
    ("<think>a</think>\n<answer>b</answer>", "a", "b", Markup.THINK),
    ("b", "", "b", Markup.NONE),
    ("I think\nso\nanswer\nb", "", "I think\nso\nanswer\nb", Markup.NONE),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reasoning", "response", "markup"), FORMS)
def test_each_form_is_split_into_reasoning_and_response(text, reasoning, response, markup):
    parsed = parse_completion(text, "stop")
    assert (parsed.reasoning, parsed.response, parsed.markup, parsed.truncated) == (reasoning, response, markup, False)


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("<think>\na", Markup.THINK_UNCLOSED),
        ("<|begin_of_thought|>\na", Markup.SKY_UNCLOSED),
        ("think\na", Markup.S1_UNCLOSED),
    ],
)
def test_an_unclosed_thought_is_truncated_and_has_no_response(text, markup):
    parsed = parse_completion(text)
    assert (parsed.reasoning, parsed.response, parsed.markup, parsed.truncated) == ("a", "", markup, True)


def test_a_separate_reasoning_field_wins():
    parsed = parse_completion("b", "stop", reasoning="a\n")
    assert (parsed.reasoning, parsed.response, parsed.markup) == ("a", "b", Markup.FIELD)
    assert parse_completion("<think>a</think>b", "stop", reasoning="").markup is Markup.THINK


def test_the_first_closing_tag_ends_the_thought_and_more_are_flagged():
    parsed = parse_completion("<think>a</think>b</think>c")
    assert (parsed.reasoning, parsed.response, parsed.flags) == ("a", "b</think>c", (Flag.MULTI_CLOSE,))
    assert parse_completion("think\na\nanswer\nb\nanswer\nc").flags == (Flag.MULTI_CLOSE,)


def test_text_around_the_markup_is_kept():
    assert parse_completion("Sure.\n<think>a</think>b").reasoning == "Sure.\n\na"
    sky = parse_completion("<|begin_of_thought|>a<|end_of_thought|>x<|begin_of_solution|>b<|end_of_solution|>y")
    assert sky.response == "x\n\nb\n\ny"
    assert parse_completion("<think>a</think>so <answer>b</answer>").response == "so <answer>b</answer>"


def test_indentation_of_the_first_line_is_text():
    assert parse_completion("<think>\n\n    x = 1\n\n</think>\n  - b\n").reasoning == "    x = 1"


def test_a_completion_stopped_by_its_length_is_truncated():
    assert parse_completion("<think>a</think>b", "length").truncated
    assert parse_completion("b", "length").truncated


@given(any_text)
@settings(max_examples=500, deadline=None)
def test_what_was_parsed_survives_rendering(text):
    parsed = parse_completion(text)
    if "</think>" not in parsed.reasoning:
        again = parse_completion(render_completion(parsed.reasoning, parsed.response))
        assert (again.reasoning, again.response) == (parsed.reasoning, parsed.response)
        assert again.markup is Markup.THINK


def test_a_reasoning_that_would_end_itself_is_not_rendered():
    with pytest.raises(ValueError, match="end the thought early"):
        render_completion("a </think> b", "c")


@pytest.mark.skipif(not DATA.exists(), reason="no real traces here")
@pytest.mark.parametrize(
    "name", ["math_traces_small_models", "math_traces_instruct", "riddle_traces", "unanswerable_traces"]
)
def test_the_form_is_what_the_file_says(name):
    rows = pl.read_parquet(DATA / f"{name}.parquet", columns=["response", "think_style"])
    assert all(parse_completion(text).markup == style for text, style in rows.iter_rows())


@pytest.mark.skipif(not DATA.exists(), reason="no real traces here")
def test_the_form_of_reasoning_traces_differs_only_where_the_file_overlooks_a_closing_tag():
    rows = pl.read_parquet(DATA / "math_traces_reasoning.parquet", columns=["response", "think_style"])
    pairs = Counter((style, str(parse_completion(text).markup)) for text, style in rows.iter_rows())
    misses = {pair: n for pair, n in pairs.items() if pair[0] != pair[1]}
    assert misses == {("none", "sky_close_only"): 68}  # of 8,021: a closing tag is there, its opening one is not
