"""The step audit as process reward: where steps end in tokens, and which of them are blamed."""

import pytest

from schemas.trace import segment
from trainer.step_scores import StepAudit

pytestmark = pytest.mark.slow  # imports transformers

TEXT = "<think>\nStart with 7.\n\n7 + 5 = 12\n\n12 * 3 = 38\n\n38 - 2 = 36\n</think>\n\nThe answer is 36."


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained("tiny/teacher")


def test_a_step_that_states_something_false_scores_nothing(tokenizer):
    ids = tokenizer.encode(TEXT)
    ends, scores = StepAudit(tokenizer)(ids)
    steps = segment(TEXT)
    blamed = [step.text for step, score in zip(steps, scores, strict=True) if score == 0]
    assert blamed == ["12 * 3 = 38"] and ends[-1] == len(ids)


def test_steps_end_where_their_last_token_ends(tokenizer):
    ids = tokenizer.encode(TEXT)
    ends, _ = StepAudit(tokenizer)(ids)
    beginnings = [tokenizer.decode(ids[:end]) for end in ends]
    expected = [TEXT[: step.start + len(step.text) + len(step.separator)] for step in segment(TEXT)]
    assert beginnings == expected


@pytest.mark.parametrize("text", ["Größe: 3 + 4 = 8 ½\n\n好的, 2 + 2 = 4", "é\n\n\n\n👩‍👧 1 + 1 = 3", " \n", ""])
def test_positions_ascend_and_stay_inside_whatever_was_written(tokenizer, text):
    ids = tokenizer.encode(text)
    ends, scores = StepAudit(tokenizer)(ids)
    assert ends == sorted(set(ends)) and len(ends) == len(scores) and all(0 < end <= len(ids) for end in ends)


def test_bytes_that_are_no_text_are_placed_by_decoding(tokenizer):
    broken = [*tokenizer.encode("1 + 1 = 3\n\n"), *tokenizer.encode("é")[:1], *tokenizer.encode("\n\n2 + 2 = 4")]
    ends, scores = StepAudit(tokenizer)(broken)
    assert scores[0] == 0 and scores[-1] == 1 and ends[-1] == len(broken)
