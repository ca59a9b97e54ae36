"""What makes two texts one problem, where a gold answer stands, and how tokens are counted."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import piece_counts, tokens
from schemas.piece_counts import piece_counter
from schemas.problem import as_json, detect_kind, gold_in_solution, last_boxed, problem_id, stable_id


def test_spacing_and_unicode_form_do_not_make_a_new_problem():
    assert problem_id("math", "  Café:\n\tfind x ") == problem_id("math", "Cafe\u0301: find x")


@pytest.mark.parametrize(
    ("one", "other"),
    [("x² = 4", "x2 = 4"), ("P(X = x)", "p(x = x)"), ("1.5", "15"), ("-3", "3"), ("1 000", "1000"), ("½", "1⁄2")],
)
def test_numbers_case_and_signs_make_another_problem(one, other):
    assert problem_id("math", one) != problem_id("math", other)


def test_kind_and_options_belong_to_the_problem():
    question = "Which is true?"
    ids = {problem_id("choice", question, options) for options in ([], ["a", "b"], ["a b"], ["b", "a"])}
    assert len(ids | {problem_id("open", question)}) == 5


@given(st.lists(st.none() | st.integers() | st.text(), max_size=4), st.lists(st.none() | st.text(), max_size=4))
def test_different_parts_have_different_ids(one, other):
    assert (stable_id(*one) == stable_id(*other)) == (one == other)


def test_the_kind_follows_from_what_a_problem_has():
    assert detect_kind("B", None, ["x", "y"]) == "choice"
    assert detect_kind("f", "assert f()", []) == "code"
    assert [detect_kind("4", None, []), detect_kind(None, None, [])] == ["math", "open"]


@pytest.mark.parametrize(
    ("solution", "gold"),
    [
        ("2 + 2 = <<2+2=4>>4\n#### 1,234", ("1,234", "after ####")),
        ("so \\boxed{1} or \\boxed{\\frac{1}{2}}.", ("\\frac{1}{2}", "last \\boxed")),
        ("the set \\boxed{\\{1, 2\\}}", ("\\{1, 2\\}", "last \\boxed")),
        ("cut off in \\boxed{\\frac{1}", None),
        ("#### \n nothing", ("nothing", "after ####")),
        ("no answer", None),
    ],
)
def test_a_gold_answer_is_found_in_a_worked_solution(solution, gold):
    assert gold_in_solution(solution) == gold


@given(st.text(alphabet="\\boxed{}1 "))
def test_any_text_can_be_searched_for_a_box(text):
    boxed = last_boxed(text)
    assert boxed is None or boxed in text


def test_json_holds_no_nan_and_refuses_bottomless_nesting():
    assert json.loads(as_json({"a": math.nan, "b": [math.inf, 1.5]})) == {"a": None, "b": [None, 1.5]}
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        as_json(deep)


def test_the_estimate_is_words_times_one_point_three():
    count = tokens.counter("words*1.3")
    assert [count(""), count("one"), count("a b c d e f g h i j")] == [0, 1, 13]


@pytest.mark.slow
def test_tokens_are_counted_without_special_tokens(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<s>": 0, "[UNK]": 1, "a": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", bos_token="<s>").save_pretrained(tmp_path)
    count = tokens.counter(str(tmp_path))
    assert [count(""), count("a b a")] == [0, 3]
    assert tokens.counter(str(tmp_path)) is count


@pytest.mark.slow
@settings(deadline=None)
@given(st.text())
def test_tokens_are_counted_as_transformers_counts_them(text):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tokens.ROOT / "tiny" / "teacher")
    assert tokens.counter("tiny/teacher")(text) == len(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize(
    "text",
    [
        "<think>\nx = 1\n</think>\n\nSo 1<|im_end|>\n",  # added tokens count one each
        "<think><think>  <|im_start|",
        "cafe\u0301 and e\u0301",  # not composed: composed first
        "a   b\t\tc \n \n d  ",
        "it's WE'LL 1234567 x²+½ é 思考 👩‍👩‍👧",
    ],
)
def test_pieces_count_as_their_tokenizer_does(text):
    from tokenizers import Tokenizer

    whole = Tokenizer.from_file(str(tokens.ROOT / "tiny" / "teacher" / "tokenizer.json"))
    count = piece_counter(whole)
    expected = len(whole.encode(text, add_special_tokens=False).ids)
    assert [count(text), count(text)] == [expected, expected]  # encoded, then remembered


def byte_level(**settings):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2, "Ġ": 3}, [("a", "b")], **settings))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def test_the_split_of_gpt_2_is_known_and_other_tokenizers_count_themselves():
    from tokenizers import AddedToken, normalizers

    assert piece_counter(byte_level())("ab ab aab") == 1 + 2 + 3
    lower, greedy = byte_level(), byte_level()
    lower.normalizer = normalizers.Lowercase()
    greedy.add_tokens([AddedToken("<x>", lstrip=True)])
    assert [piece_counter(lower), piece_counter(greedy), piece_counter(byte_level(dropout=0.1))] == [None] * 3


def test_pieces_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(piece_counts, "MAX_PIECES", 2)
    count = piece_counter(byte_level())
    assert [count("ab a b ab"), count("a b")] == [7, 3]


@pytest.mark.slow
def test_a_tokenizer_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"token_counter .* cannot be loaded .*words\*1.3"):
        tokens.counter(str(tmp_path / "missing"))


def test_a_counter_whose_tokenizer_is_cut_off_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE", "vo')
    with pytest.raises(ValueError, match=r"token_counter .* cannot be loaded \(EOF .*\); give a tokenizer folder"):
        tokens.counter(str(tmp_path))
