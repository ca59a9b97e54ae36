"""Coarse pruning: steps chosen by number are verbatim by construction, copied ones are snapped back to the original."""

import asyncio

import pytest

from stages.alignment import align
from stages.compress_asap_coarse import CompressAsapCoarse
from stages.reuse_anchor import ReuseAnchor
from stages.step_numbers import Unusable, read_numbers
from stages.write_anchor import WriteAnchor
from tests.asap_scripts import SEEDS, replier, row

STEPS = (
    "First we read what is asked of us, word for word.",
    "Second, maybe there are oranges in it? No, there are none at all.",
    "Third we add two apples and three apples, which gives five.",
    "Fourth, let me count again with matches to be sure of it.",
    "So there are five.",
)
PARAGRAPH = (
    "To find the area we note that the triangle is split by its altitude into two right triangles, each of which has "
    "a leg of length twelve. By the theorem of Pythagoras the other legs are five and nine, so the base is fourteen, "
    "and hence the area is eighty-four square units. This agrees with what Heron's formula gives for the sides "
    "thirteen, fourteen, fifteen, so that we may go on with the second part of the question, which asks for the radius "
    "of the inscribed circle; it is four."
)


def made(name, source=None, **settings):
    stage = CompressAsapCoarse(engine="e", **settings)
    (child,) = asyncio.run(stage.run(source or row(*STEPS), replier(name)))
    return child


def test_the_named_steps_and_the_ends_stay_word_for_word():
    child = made("keeps_one_and_three")
    assert child["reasoning"] == "\n\n".join([STEPS[0], STEPS[2], STEPS[4]])
    assert (child["method"], child["rejected_by"]) == ("asap_coarse", None)


def test_an_unusable_reply_is_asked_for_again_with_another_seed():
    SEEDS.clear()
    assert made("is_usable_the_second_time")["rejected_by"] is None
    assert len(SEEDS) == 2


def test_after_the_last_attempt_the_reason_stands_in_the_row():
    child = made("names_a_step_too_many", attempts=2)
    assert child["rejected_by"] == "asap_coarse: the reply names steps 1-99 of 5, after 2 attempts"


def test_a_copy_with_small_changes_is_snapped_to_its_step():
    assert STEPS[2] in made("copies_with_small_changes", mode="text")["reasoning"]


def test_invented_paragraphs_are_refused():
    assert "are no step of the trace" in made("invents", mode="text", attempts=1)["rejected_by"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"anchor": None}, "no anchor"),
        ({"reasoning": "a\n\nb"}, "two steps"),
        ({"outcome": "timeout"}, "source is timeout"),
    ],
)
def test_a_trace_that_cannot_be_pruned_is_not_asked_about(changes, reason):
    assert made("invents", row(*STEPS) | changes)["rejected_by"] == f"asap_coarse: {reason}"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [("KEEP: 1-3, 5", {0, 1, 2, 4}), ("**KEEP: 2**", {1}), ("KEEP: 9\nKEEP: 1", {0}), ("keep: 1 – 2.", {0, 1})],
)
def test_the_last_keep_line_counts(reply, expected):
    assert read_numbers(reply, "KEEP", 9) == expected


@pytest.mark.parametrize("reply", ["", "KEEP:", "KEEP: none", "KEEP: 0", "KEEP: 3-1", "I keep 1, 2 and 3 of them."])
def test_a_reply_without_usable_numbers_is_refused(reply):
    with pytest.raises(Unusable):
        read_numbers(reply, "KEEP", 9)


EDITS = [
    (PARAGRAPH, 0),
    (PARAGRAPH[3:], 0),
    (PARAGRAPH.replace("so the base is fourteen, and hence ", ""), 0),
    (PARAGRAPH.partition(". ")[2], 0),
    (PARAGRAPH[: len(PARAGRAPH) * 3 // 4], 0),
    ("The weather was fine in the morning, and nobody had thought of taking an umbrella along.", None),
    ("Let me think.", None),
]


@pytest.mark.parametrize(("copy", "expected"), EDITS)
def test_edits_of_a_copy_that_characters_alone_would_misjudge(copy, expected):
    assert align([copy], [PARAGRAPH, "Let me check."], ratio=0.6, short_ratio=0.9) == [expected]


def test_the_assignment_keeps_the_order_and_survives_one_wrong_paragraph():
    paragraphs = [STEPS[0], "Nothing of the kind stands anywhere.", STEPS[2], STEPS[1], STEPS[4]]
    assert align(paragraphs, STEPS, ratio=0.6, short_ratio=0.9) in ([0, None, 2, None, 4], [0, None, None, 1, 4])


def test_an_anchor_is_written_for_correct_first_traces_only():
    stage = WriteAnchor(engine="e")
    assert asyncio.run(stage.run(row(*STEPS), replier("explains")))["anchor"] == "Two and three are five."
    assert asyncio.run(stage.run(row(*STEPS, outcome="incorrect"), replier("explains")))["anchor"] is None


def test_the_shortest_correct_rewrite_can_serve_as_anchor():
    source = row(*STEPS)
    long = row("A long rewrite.", trace_id="u", parent_id="t", method="dap", n_reasoning_tokens=9)
    short = row("Short.", trace_id="v", parent_id="t", method="dap", n_reasoning_tokens=2)
    wrong = row("W", trace_id="w", parent_id="t", method="dap", n_reasoning_tokens=1, outcome="incorrect")
    anchors = [found["anchor"] for found in ReuseAnchor().run([source, long, short, wrong])]
    assert anchors == ["Short.", None, None, None]
