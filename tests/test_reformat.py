"""Rows for training in modes: what stands in the turn, which spans get no loss, and that verifiers still read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import TRACE_COLUMNS
from schemas.markup import parse_completion, render_completion
from schemas.release import completion_of, release_row
from schemas.tokens import ESTIMATE
from schemas.trace import segment
from stages.pair_modes import PairModes
from stages.reformat_adactrl import ReformatAdactrl
from stages.reformat_autol2s import ReformatAutol2s
from stages.reformat_braking import ReformatBraking
from stages.reformat_thinkless import ReformatThinkless
from stages.score_overthinking import ScoreOverthinking
from stages.verify import Verify

SHORT = "2 and 3 make 5."
LONG = "We are asked for a sum.\n\nI count on my fingers: one, two, and three more.\n\nThat makes five, so it is 5."


def row(name, reasoning, **columns):
    trace = dict.fromkeys(column.name for column in TRACE_COLUMNS)
    trace |= {"trace_id": name, "sample_index": 0, "token_counter": ESTIMATE, "finish_reason": "stop", "method": "m"}
    trace |= {"reasoning": reasoning, "response": r"The answer is \boxed{5}.", "lineage": ["import"]}
    trace |= {"n_reasoning_tokens": len(reasoning.split()), "n_response_tokens": 4}
    problem = {"problem_id": "p", "problem": "What is 2 + 3?", "answer": "5", "kind": "math", "tests": None}
    return trace | problem | {"choices": [], "meta": "{}", "outcome": "correct", "pass_rate": 0.5} | columns


def paired(**columns):
    """The long and the short trace of a problem, with their modes."""
    rows = [row("long", LONG, **columns), row("short", SHORT, **columns)]
    return [one | line for one, line in zip(rows, PairModes().run(rows), strict=True)]


def is_right(one):
    return Verify().run(one | {"finish_reason": "stop"})["outcome"] == "correct"


def check(child, parent):
    """A reformatted row is read by the verifier, the segmenter and the release, as a row and as the text it becomes."""
    turn = completion_of(child)
    parsed = parse_completion(turn)
    assert is_right(parent | child) and is_right(parent | child | {"response": parsed.response})
    for text in (child["reasoning"], parsed.reasoning, parsed.response):
        assert "".join(step.text + step.separator for step in segment(text)) == text
    released = release_row(parent | child, "d")
    assert released["messages"][1]["content"] == turn and released["mode"] == child["mode"]
    assert all(0 <= span["start"] < span["end"] <= len(turn) for span in child["segments"] or [])
    return turn


STAGES = [ReformatThinkless(), ReformatAdactrl(), ReformatAutol2s(), ReformatAutol2s(layout="one")]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: type(stage).__name__)
@pytest.mark.parametrize("pass_rate", [0.2, 0.9])
def test_verifiers_and_segmenter_read_what_was_reformatted(stage, pass_rate):
    made = [(parent, child) for parent in paired(pass_rate=pass_rate) for child in stage.run(parent)]
    assert made
    for parent, child in made:
        check(child, parent)
        assert child["parent_id"] == parent["trace_id"] and child["rejected_by"] is None


def test_a_trace_without_a_mode_is_no_source():
    for stage in STAGES:
        assert stage.run(row("any", LONG, mode=None, counterpart=None)) == []


# Thinkless.


def test_thinkless_opens_each_mode_with_its_token():
    long, short = paired()
    (of_long,), (of_short,) = ReformatThinkless().run(long), ReformatThinkless().run(short)
    assert completion_of(of_long) == render_completion(LONG, long["response"]) and of_long["completion"] is None
    assert completion_of(of_short) == f"<short>\n{SHORT}\n\nThe answer is \\boxed{{5}}."
    assert (of_long["mode"], of_short["mode"]) == ("long", "short")
    assert of_short["reasoning"] == SHORT and of_short["method"] == "thinkless"


def test_another_long_token_stands_in_front_of_the_thinking_block():
    (child,) = ReformatThinkless(long_token="<deep>").run(paired()[0])
    assert completion_of(child).startswith("<deep>\n<think>\n")


def test_thinkless_leaves_a_single_mode_and_a_text_with_a_token_alone():
    alone = row("long", LONG, mode="long", counterpart=None)
    assert ReformatThinkless().run(alone)[0]["rejected_by"] == "thinkless: no short counterpart"
    assert ReformatThinkless(paired=False).run(alone)[0]["rejected_by"] is None
    (refused,) = ReformatThinkless().run(paired()[0] | {"reasoning": "I could write <short> here."})
    assert refused["rejected_by"] == "thinkless: its text holds a control token"


# AdaCtrl.


@pytest.mark.parametrize(("pass_rate", "texts"), [(0.9, [[], ["[Easy]"]]), (0.625, [["[Hard]"], []])])
def test_adactrl_gives_an_easy_problem_its_short_trace_and_a_hard_one_its_long(pass_rate, texts):
    found = [[completion_of(child)[:6] for child in ReformatAdactrl().run(one)] for one in paired(pass_rate=pass_rate)]
    assert found == texts


def test_adactrl_says_what_is_missing():
    alone = row("long", LONG, mode="long", counterpart=None)
    assert ReformatAdactrl().run(alone | {"pass_rate": None})[0]["rejected_by"] == "adactrl: no pass rate"
    (refused,) = ReformatAdactrl().run(alone | {"pass_rate": 1.0})
    assert refused["rejected_by"] == "adactrl: no short trace of an easy problem"
    (refused,) = ReformatAdactrl().run(paired(pass_rate=0.9)[1] | {"response": "[Hard] to say: 5"})
    assert refused["rejected_by"] == "adactrl: its text holds a tag"


# AutoL2S.


def test_autol2s_holds_both_paths_and_names_their_spans():
    long, short = paired()
    (child,) = ReformatAutol2s().run(long)
    assert ReformatAutol2s().run(short) == [] and child["mode"] == "easy"
    turn = check(child, long)
    assert turn.startswith(f"<think>\n<EASY>\n{SHORT}\n\n<LONG>\n{LONG}\n</think>")
    spans = {span["kind"]: turn[span["start"] : span["end"]] for span in child["segments"]}
    assert spans == {"short": SHORT, "long": LONG}


def test_autol2s_keeps_the_long_path_alone_where_no_short_one_exists():
    (child,) = ReformatAutol2s().run(row("long", LONG, mode="long", counterpart=None))
    assert child["mode"] == "long" and child["reasoning"] == f"<LONG>\n{LONG}"
    (child,) = ReformatAutol2s(layout="one").run(paired()[0])
    assert child["mode"] == "easy" and child["reasoning"] == f"<EASY>\n{SHORT}"


def test_a_short_trace_of_an_instruct_model_is_its_response():
    rows = [
        row("long", LONG, n_reasoning_tokens=90),
        row("short", "", response=r"2 + 3 = \boxed{5}", n_reasoning_tokens=0),
    ]
    long, short = (one | line for one, line in zip(rows, PairModes().run(rows), strict=True))
    (child,) = ReformatAutol2s(layout="one").run(long)
    assert child["reasoning"] == "<EASY>\n2 + 3 = \\boxed{5}" and child["response"] == long["response"]
    check(child, long)
    assert completion_of(ReformatThinkless().run(short)[0]) == "<short>\n2 + 3 = \\boxed{5}"


# Self-braking.

LEAD = "We add 2 and 3, which I do by counting on from two."
FIRST = "So the answer is 5."
DOUBT = "Wait, let me check that once more. I will count apples. One, two, three, four, five."
AGAIN = "Again the answer is 5."
SURPLUS = "Hmm, I could draw it. A line helps. So do dots.\n\nAlternatively I could ask someone.\n\nYes, it is five."
TRACE = "\n\n".join([LEAD, FIRST, DOUBT, AGAIN, SURPLUS])


def scored(reasoning, **columns):
    one = row("t", reasoning)
    return one | ScoreOverthinking().run(one) | columns


def test_exact_braking_keeps_the_second_solution_and_masks_two_sentences_more():
    parent = scored(TRACE)
    (child,) = ReformatBraking().run(parent)
    turn = check(child, parent)
    masked, braking = child["segments"]
    assert turn[: masked["start"]] == "<think>\n" + "\n\n".join([LEAD, FIRST, DOUBT, AGAIN]) + "\n\n"
    assert turn[masked["start"] : masked["end"]] == "Hmm, I could draw it. A line helps."
    assert turn[braking["start"] :].startswith("I have come to the same answer twice")
    assert (masked["kind"], braking["kind"]) == ("masked", "braking")


def test_without_a_second_solution_the_first_one_counts():
    parent = scored("\n\n".join([LEAD, FIRST, DOUBT, SURPLUS]))
    (child,) = ReformatBraking().run(parent)
    start = child["segments"][0]["start"]
    assert completion_of(child)[start:].startswith("Wait, let me check that once more. I will count apples.\n\n")


def test_dynamic_braking_masks_from_tau_until_the_margin_is_passed():
    steps = [LEAD, FIRST, *(f"Note number {number} of no use at all." for number in range(9))]
    parent = scored("\n\n".join(steps))
    (child,) = ReformatBraking(variant="dynamic", tau=0.4, margin=0.1).run(parent)
    masked = child["segments"][0]
    # 0.9 (1 - 2 / used) is 0.36 for three steps, 0.45 for four and 0.54 for five
    assert completion_of(child)[masked["start"] : masked["end"]] == "\n\n".join(steps[3:5])
    check(child, parent)


@pytest.mark.parametrize(
    ("parent", "reason"),
    [
        (scored("\n\n".join([LEAD, LEAD, LEAD, FIRST])), "does not overthink"),
        (scored(f"{LEAD}\n\n{DOUBT}"), "no step states the answer"),
        (scored(f"{FIRST}\n\n{DOUBT}\n\n{AGAIN}"), "nothing would be saved"),
        (scored(f"{FIRST}\n\n{AGAIN}\n\n{DOUBT[:32]}"), "nothing would be saved"),
        (scored(TRACE, outcome="incorrect"), "source is incorrect"),
        (scored(TRACE, kind="code"), "no math problem"),
        (scored(TRACE.replace("Hmm", "等等不过但是" * 40)), "not in a Latin script"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_braking_leaves_a_trace_alone_and_says_why(parent, reason):
    (refused,) = ReformatBraking().run(parent)
    assert refused["rejected_by"] == f"braking: {reason}" and refused["segments"] is None


@given(st.lists(st.sampled_from([LEAD, FIRST, DOUBT, AGAIN, "Hmm.", "```\ncode\n\nmore\n```"]), min_size=1, max_size=9))
def test_what_is_kept_and_masked_is_the_beginning_of_the_trace(steps):
    parent = scored("\n\n".join(steps))
    for stage in (ReformatBraking(timeout_s=5), ReformatBraking(variant="dynamic", timeout_s=5)):
        (child,) = stage.run(parent)
        if child["rejected_by"] is None:
            turn, (masked, braking) = completion_of(child), child["segments"]
            assert parent["reasoning"].startswith(turn[len("<think>\n") : masked["end"]])
            assert masked["start"] < masked["end"] < braking["start"] < braking["end"]
