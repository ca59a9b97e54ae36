"""Decontamination: what counts as contaminated, what is said about it, and that no bad input stops it."""

import json
import os
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import RecipeError
from pipeline.execution import ExecutionConfig
from pipeline.facts import candidates, facts
from pipeline.recipe import Node, Recipe
from pipeline.report import write_report
from pipeline.report_contamination import contamination
from pipeline.run import run
from stages.benchmark_sets import PRESETS, BenchmarkSet, read_questions
from stages.decontaminate import Decontaminate
from stages.ingest import Ingest
from stages.overlap import Overlap, hashed_words, words
from stages.overlap_kernel import NgramTable
from stages.select import Select
from stages.shard import Shard

DATA = Path(os.environ.get("LACONIC_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
EGGS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in "
    "dollars does she make every day at the farmers' market?"
)
TRAIN = "A train leaves the station at noon with a speed of 60 km/h and a second one follows an hour later. When?"
SHORT = "What is 2 + 3?"


def write(folder: Path, name: str, *questions: str | None) -> str:
    lines = [json.dumps({"id": f"q{i}", "problem": question}) + "\n" for i, question in enumerate(questions)]
    (folder / f"{name}.jsonl").write_text("".join(lines))
    return name


@pytest.fixture
def sets(tmp_path):
    names = [write(tmp_path, "gsm8k", EGGS, SHORT), write(tmp_path, "mine", TRAIN, "")]
    return {"sets": names, "folder": str(tmp_path)}


def found(stage: Decontaminate, problem: str | None) -> list[tuple]:
    """(benchmark/row, rule, score, span) of each finding."""
    row = stage.run({"problem": problem})
    return list(zip(*(value or [] for value in row.values()), strict=True))


def told(stage: Decontaminate, problem: str) -> list[tuple[str, str]]:
    return [(place.partition("@")[0] + place[place.index("/") :], rule) for place, rule, *_ in found(stage, problem)]


def test_a_finding_names_benchmark_revision_row_rule_score_and_span(sets):
    stage = Decontaminate.model_validate(sets)
    ((place, rule, score, span),) = found(stage, f"Solve this. {EGGS[:200].upper()} Now think!")
    name, revision, row = place.replace("@", "/").split("/")
    assert (name, row, rule) == ("gsm8k", "q0", "13-gram") and 0.25 <= score < 1
    assert revision == read_questions(stage.sets[0], stage.folder).revision and len(revision) == 12
    assert span == EGGS[:200].upper().rpartition(" ")[0].strip() or EGGS[:200].upper().startswith(span)


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (EGGS.replace(" ", "  ").replace("$2", r"\$2").upper(), "same text"),
        (EGGS.replace("’", "'").replace("16", "18").replace("Janet", "Ann"), "13-gram"),
        (TRAIN.replace("noon", "ten").replace("follows an", "follows it one"), "8-gram"),
        (TRAIN.replace("train", "trains").replace("second", "seconds").replace("hour", "hours").replace("60", "61"),
         "fuzzy"),
        (r"What is $2 + 3$?", "same text"),
    ],
)  # fmt: skip
def test_the_first_rule_that_holds_is_named(sets, problem, expected):
    stage = Decontaminate.model_validate(sets | {"ngrams": {13: 0.5, 8: 0.3}})
    assert [rule for _, rule in told(stage, problem)] == [expected]


@pytest.mark.parametrize("problem", ["What is 2 * 3?", "What is 2 + 4?", "Janet sells ducks.", "", "  ", None])
def test_other_problems_and_blank_ones_are_clean(sets, problem):
    row = Decontaminate.model_validate(sets).run({"problem": problem})
    assert set(row.values()) == {None} and len(row) == 4


def test_a_problem_in_two_benchmarks_has_a_finding_for_each(tmp_path):
    names = [write(tmp_path, name, EGGS, EGGS + " Explain.") for name in ("one", "two")]
    stage = Decontaminate.model_validate({"sets": names, "folder": str(tmp_path)})
    assert told(stage, EGGS) == [("one/q0", "same text"), ("two/q0", "same text")]


def test_stock_phrases_count_for_nothing(tmp_path):
    phrase = "where m and n are relatively prime positive integers what is the value of m plus n"
    questions = [f"The number of {thing} on a board is m over n {phrase}" for thing in ("kings", "pawns", "rooks")]
    write(tmp_path, "aime24", *questions)
    place = {"sets": ["aime24"], "folder": str(tmp_path), "ngrams": {13: 0}}
    problem = f"A fair coin is thrown until it shows heads {phrase}"
    assert told(Decontaminate.model_validate(place), problem) == []
    assert told(Decontaminate.model_validate(place | {"max_questions": 0}), problem) == [("aime24/q0", "13-gram")]


def test_latex_dress_hides_no_copy(tmp_path):
    write(tmp_path, "math500", r"Let $f(x)=\frac{x+1}{x-2}$. For how many integers $x$ is $f(x)$ an integer at all?")
    stage = Decontaminate.model_validate({"sets": ["math500"], "folder": str(tmp_path)})
    dressed = r"Let \( f( x ) = \dfrac {x + 1} {x - 2} \).  For how many integers \(x\) is \(f(x)\) an integer at all ?"
    assert told(stage, dressed) == [("math500/q0", "same text")]


def test_a_rule_of_select_rejects_what_is_contaminated(sets):
    rows = [Decontaminate.model_validate(sets).run({"problem": text}) for text in (EGGS, "Something else.")]
    rule = {"contaminated": {"column": "contaminated_by", "is_null": True}}
    assert [one["rejected_by"] for one in Select.model_validate({"rules": [rule]}).run(rows)] == ["contaminated", None]


def test_the_identity_follows_the_content_of_the_sets_and_not_their_place(tmp_path):
    places = [tmp_path / name for name in ("a", "b")]
    for place in places:
        place.mkdir()
        write(place, "mine", EGGS)
    first, second = (Decontaminate.model_validate({"sets": ["mine"], "folder": str(place)}) for place in places)
    before = first.code_identity()
    assert before == second.code_identity()
    write(places[1], "mine", EGGS, TRAIN)
    assert second.code_identity() != before


def test_a_set_that_changed_is_read_again_in_the_same_process(tmp_path):
    write(tmp_path, "mine", EGGS)
    place = {"sets": ["mine"], "folder": str(tmp_path)}
    assert found(Decontaminate.model_validate(place), TRAIN) == []
    write(tmp_path, "mine", EGGS, TRAIN)
    assert told(Decontaminate.model_validate(place), TRAIN) == [("mine/q1", "same text")]


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        ("aime24", "set aime24: .* holds no aime24"),
        ({"name": "nine", "path": "nowhere.jsonl"}, "set nine: nowhere.jsonl does not exist"),
        ({"name": "mine", "column": "text"}, "column 'text' does not exist; there are: id, problem"),
        ({"name": "broken"}, "set broken: row 1: not JSON"),
        ({"name": "blank"}, "set blank: no row has a text in 'problem'"),
    ],
)
def test_a_set_that_cannot_be_read_is_one_sentence_before_any_work(sets, tmp_path, one, sentence):
    (tmp_path / "broken.jsonl").write_text("{\n" + json.dumps({"problem": "x"}) + "\n")
    write(tmp_path, "blank", "", None)
    (problem,) = Decontaminate.model_validate(sets | {"sets": [one]}).problems()
    with pytest.raises(ValueError, match=sentence):
        raise ValueError(problem)


def test_a_name_that_is_no_preset_is_answered_with_the_nearest_one(tmp_path):
    (problem,) = Decontaminate(sets=(BenchmarkSet(name="maths500"),)).problems()
    assert "did you mean `math500`" in problem and {"gsm8k", "aime24", "humaneval"} <= set(PRESETS)


@pytest.mark.parametrize("wrong", [{"sets": []}, {"ngrams": {0: 1}}, {"ngrams": {8: 2}}, {"sets": ["mine", "mine"]}])
def test_settings_that_cannot_work_are_refused(sets, wrong):
    with pytest.raises((ValidationError, RecipeError)):
        Decontaminate.model_validate(sets | wrong)


@pytest.mark.parametrize(
    "text",
    [
        "lorem ipsum dolor " * 300_000,
        "\x00\ufffd\u202e" * 1000 + EGGS,
        "\\" * 5000,
        "日本語の問題" * 50,
        "e\u0301" * 100,
        EGGS * 200,
    ],
    ids=["5 MB", "noise", "backslashes", "no spaces", "combining marks", "repeats"],
)
def test_odd_texts_are_compared_like_any_other(sets, text):
    places = [place for place, _ in told(Decontaminate.model_validate(sets), text)]
    assert places == (["gsm8k/q0"] if EGGS in text else [])


TEXTS = st.text(alphabet="aB1 é'$\\f{}漢", max_size=40)


@given(TEXTS, TEXTS)
@settings(max_examples=300)
def test_hashes_are_equal_exactly_where_words_are(left, right):
    assert len(hashed_words(left)) == len(words(left))
    for a, x in zip(words(left), hashed_words(left), strict=True):
        assert all((a == b) == (x == y) for b, y in zip(words(right), hashed_words(right), strict=True))


LETTERS = st.sampled_from("abcd")


@given(
    st.lists(st.lists(LETTERS, max_size=9), max_size=6),
    st.lists(LETTERS, max_size=12),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(1, 3),
)
@settings(max_examples=300)
def test_matches_are_those_of_a_comparison_of_all_n_grams(questions, text, share, n):
    texts = [" ".join(question) for question in questions]
    matches = Overlap(texts, {n: share}, 0, None).matches(" ".join(text))
    assert {match.question for match in matches} == {
        number for number, question in enumerate(questions) if stands_in(question, text, n, share)
    }


def stands_in(question: list[str], text: list[str], n: int, share: float) -> bool:
    def grams(of: list[str]) -> set[tuple[str, ...]]:
        return {tuple(of[i : i + n]) for i in range(len(of) - n + 1)}

    shared = grams(question) & grams(text)
    is_same = bool(question) and question == text
    return is_same or (bool(shared) and len(shared) >= share * len(grams(question)))


def test_scattered_typos_do_not_hide_a_question_from_the_fuzzy_rule():
    draw = random.Random(5)
    vocabulary = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 8))) for _ in range(3000)]
    for _ in range(200):
        question = " ".join(draw.choices(vocabulary, k=draw.randint(15, 60)))
        letters = list(question)
        for place in draw.sample(range(len(letters)), len(letters) // 25):  # 96 % alike: every second word may differ
            letters[place] = draw.choice("xyz") if letters[place] != " " else " "
        (match,) = Overlap([question], {}, 0, 0.95).matches("".join(letters))
        assert match.rule == "fuzzy" and match.score >= 0.95


def test_the_filter_leaves_no_count_behind():
    hashes = [hashed_words(text) for text in ("a b c d", "b c d e", "x y z")]
    table = NgramTable(hashes, 2, 0.6, 99)
    asked = [sorted(table.reached(hashed_words(text)).tolist()) for text in ("b c d", "a b c d", "b c d", "q", "")]
    assert asked == [[0, 1], [0, 1], [0, 1], [], []]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="real data are not here (LACONIC_DATA)")
def test_the_copies_of_real_benchmark_questions_are_found(tmp_path):
    """Each of 200 questions of MATH-500 with one word left out, inside another sentence."""
    problems = pl.read_parquet(DATA / "math_problems.parquet").filter(source="math500")
    problems.select("id", "problem").write_parquet(tmp_path / "math500.parquet")
    stage = Decontaminate.model_validate({"sets": ["math500"], "folder": str(tmp_path)})
    draw, long = random.Random(3), [text for text in problems["problem"] if len(words(text)) > 24][:200]
    for text in long:
        parts = text.split(" ")
        del parts[draw.randrange(len(parts))]
        assert found(stage, "Please solve: " + " ".join(parts) + " Thanks."), text
    assert np.mean([bool(found(stage, text)) for text in problems["problem"]]) == 1.0


def test_a_run_excludes_and_reports_what_is_contaminated_and_compares_new_problems_only(tmp_path):
    write(tmp_path, "exam", "What is 5 + 10?", "Something that no sum says at all, whatever it is about?")
    first = run(sums(tmp_path, 8), str(tmp_path / "store"), ExecutionConfig(executor="inline"))
    (entry,) = contamination(first, candidates(first))
    assert entry.benchmark.startswith("exam@") and entry.n_problems == 1
    assert entry.shown[0].span.head == "What is 5 + 10?" and entry.shown[0].rule == "same text"
    page = Path(write_report(first, candidates(first), facts(first, candidates(first))))
    assert "stand in a benchmark" in page.read_text() and "exam@" in page.with_suffix(".md").read_text()
    assert (Path(first.store.path(first.artifacts()["shards"]["folder"])) / "excluded").is_dir()
    second = run(sums(tmp_path, 11), str(tmp_path / "store"), ExecutionConfig(executor="inline"))
    assert [second.node("clean")[count] for count in ("n_known", "n_computed")] == [8, 3]


def sums(folder: Path, n: int) -> Recipe:
    """Traces of n sums, decontaminated, selected and written."""
    lines = [{"problem": f"What is {i} + {2 * i}?", "response": f"<think>Sum.</think>{3 * i}"} for i in range(n)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rule = {"contaminated": {"column": "contaminated_by", "is_null": True}}
    stages = {
        "traces": Ingest(path=str(folder / "sums.jsonl"), rows="traces"),
        "clean": Decontaminate.model_validate({"sets": ["exam"], "folder": str(folder)}),
        "selected": Select.model_validate({"rules": [rule]}),
        "shards": Shard(),
    }
    return Recipe(name="sums", nodes={name: Node(stage=stage) for name, stage in stages.items()})
