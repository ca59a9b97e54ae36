"""From turns to tokens: the answer is learnt, the question and masked spans are not, and a step has no end."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.train_rows import TEACHER, answer
from trainer.render import HIDDEN, IGNORED, UNRENDERED, Renderer
from trainer.span_masks import masked_spans, overlaps

TOKENIZER = AutoTokenizer.from_pretrained(TEACHER)
RENDERER = Renderer(TOKENIZER, frozenset({TOKENIZER.eos_token_id}))
QUESTION = [{"role": "user", "content": "Start with 3. Add 2."}]


def learnt(rendered):
    return TOKENIZER.decode([token for token in rendered.labels if token != IGNORED])


def test_the_answer_and_its_end_are_learnt_and_nothing_else():
    rendered = RENDERER.answer(QUESTION, answer(3))
    assert learnt(rendered) == answer(3) + "<|im_end|>"
    whole = TOKENIZER.apply_chat_template([*QUESTION, {"role": "assistant", "content": answer(3)}], tokenize=False)
    assert TOKENIZER.decode(rendered.input_ids) == whole.rstrip("\n")


def test_earlier_turns_are_not_learnt():
    earlier = [*QUESTION, {"role": "assistant", "content": answer(3)}, {"role": "user", "content": "And from 4?"}]
    assert learnt(RENDERER.answer(earlier, answer(4))) == answer(4) + "<|im_end|>"


def test_a_masked_span_is_read_and_not_learnt():
    text = answer(3, n_waits=1)
    start = text.index("Wait")
    end = text.index("3 + 2")
    spans = [{"start": start, "end": end, "kind": "masked"}, {"start": 0, "end": 5, "kind": "turn"}]
    rendered = RENDERER.answer(QUESTION, text, spans)
    assert learnt(rendered) == text[:start] + text[end:] + "<|im_end|>"
    assert "Wait" in TOKENIZER.decode(rendered.input_ids)


def test_a_row_whose_answer_is_masked_to_the_end_still_learns_to_stop():
    text = answer(3)
    rendered = RENDERER.answer(QUESTION, text, [{"start": 0, "end": len(text), "kind": "masked"}])
    assert learnt(rendered) == "<|im_end|>"


def with_template_of(family):
    """The renderer under a template that TRL ships; the family's special tokens are those of the teacher."""
    folder = Path(find_spec("trl").submodule_search_locations[0]) / "chat_templates"
    tokenizer = AutoTokenizer.from_pretrained(TEACHER)
    tokenizer.chat_template = (folder / f"{family}.jinja").read_text()
    return Renderer(tokenizer, frozenset({tokenizer.eos_token_id}))


@pytest.mark.parametrize("family", ["qwen2_5", "qwen3", "qwen3_5_think", "qwen3_8", "nemotron_3_nano"])
def test_the_templates_of_real_models_show_the_thinking(family):
    rendered = with_template_of(family).answer(QUESTION, answer(3))
    assert not rendered.fault
    assert learnt(rendered) in (answer(3) + "<|im_end|>", answer(3).removeprefix("<think>\n") + "<|im_end|>")


@pytest.mark.parametrize("family", ["deepseek_r1_distill", "deepseekv3"])
def test_the_templates_of_real_models_that_hide_it_are_found_out(family):
    assert with_template_of(family).answer(QUESTION, answer(3)).fault == HIDDEN


@pytest.mark.parametrize("family", ["qwen3", "qwen3_5_think", "qwen3_8"])
def test_an_answer_without_a_thought_may_get_an_empty_one(family):
    rendered = with_template_of(family).answer(QUESTION, "The answer is 5.")
    front = learnt(rendered).removesuffix("The answer is 5.<|im_end|>")
    assert front.replace("<think>", "").replace("</think>", "").strip() == ""


def test_a_template_that_fails_is_the_rows_fault():
    tokenizer = AutoTokenizer.from_pretrained(TEACHER)
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    renderer = Renderer(tokenizer, RENDERER.end_ids)
    assert renderer.answer(QUESTION, answer(3)).fault == UNRENDERED
    assert renderer.step(QUESTION, "<think>", "a").fault == UNRENDERED


def test_a_step_follows_its_prefix_and_has_no_end():
    prefix = "<think>\nOkay, let me start from 3.\n\n"
    rendered = RENDERER.step(QUESTION, prefix, "3 + 2 = 5.\n\n")
    assert learnt(rendered) == "3 + 2 = 5.\n\n"
    assert TOKENIZER.eos_token_id not in rendered.input_ids[rendered.n_prompt_tokens :]
    assert TOKENIZER.decode(rendered.input_ids).endswith(prefix + "3 + 2 = 5.\n\n")


@given(st.text(max_size=60), st.data())
def test_no_token_that_touches_a_masked_span_is_learnt(text, data):
    encoded = TOKENIZER(text, add_special_tokens=False, return_offsets_mapping=True)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    masked = overlaps(encoded["offset_mapping"], [(start, end)], len(text))
    for (first, last), hidden in zip(encoded["offset_mapping"], masked, strict=True):
        assert hidden == (max(first, start) < min(last, end))


@pytest.mark.parametrize("segment", [(-1, 2), (3, 2), (0, 11), (None, 2)])
def test_impossible_segments_are_refused(segment):
    with pytest.raises(ValueError, match="in a text of 10 characters"):
        masked_spans([{"start": segment[0], "end": segment[1], "kind": "masked"}], 10)
