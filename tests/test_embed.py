"""Sentence embeddings: a model in a folder, a server, and what is said where either is missing."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from pipeline.errors import EngineError
from stages.decontaminate import Decontaminate
from stages.embed import Embed
from stages.embedders import EmbedderSpec, LocalEmbedder, unit_rows

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "two", "and", "make", "four", "five"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A random encoder of two layers, with a vocabulary of nine words."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes)
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    transformers.BertTokenizer(vocab={word: i for i, word in enumerate(WORDS)}).save_pretrained(folder)
    return str(folder)


def vector(stage: Embed, text: str | None) -> list[float] | None:
    return stage.run({stage.column: text})["embedding"]


@pytest.mark.slow
def test_a_text_becomes_a_unit_vector_with_the_name_of_its_model(model):
    stage = Embed(embedder=EmbedderSpec(model=model))
    row = stage.run({"problem": "two and two make four"})
    assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-6) and len(row["embedding"]) == 16
    name, digest = row["embedding_model"].split()
    assert model.endswith(name) and stage.code_identity()["embedder"].startswith(digest)
    assert vector(stage, "two and two make five") != row["embedding"] == vector(stage, "two and two make four")


@pytest.mark.slow
def test_a_text_has_the_same_vector_alone_and_in_a_batch(model):
    embedder = LocalEmbedder(EmbedderSpec(model=model))
    texts = ["two", "two and two make four", "five " * 200]
    assert np.allclose(embedder.embed(texts), np.concatenate([embedder.embed([text]) for text in texts]), atol=1e-5)


@pytest.mark.slow
def test_the_pooling_is_the_one_that_the_folder_names(model, tmp_path):
    import shutil

    vectors = []
    for mode in ("mean_tokens", "cls_token", "lasttoken"):
        folder = shutil.copytree(model, tmp_path / mode)
        (folder / "1_Pooling").mkdir()
        settings = {f"pooling_mode_{mode}": True, "pooling_mode_max_tokens": False, "word_embedding_dimension": 16}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
        vectors.append(LocalEmbedder(EmbedderSpec(model=str(folder))).embed(["two and five"])[0])
    assert np.allclose(vectors[0], LocalEmbedder(EmbedderSpec(model=model)).embed(["two and five"])[0], atol=1e-6)
    assert min(np.abs(vectors[0] - vectors[1]).max(), np.abs(vectors[1] - vectors[2]).max()) > 0.01


@pytest.mark.parametrize("text", [None, "", " \n "])
def test_a_blank_text_has_no_vector_and_loads_no_model(text):
    row = Embed(embedder=EmbedderSpec(model="nowhere")).run({"problem": text})
    assert row == {"embedding": None, "embedding_model": None}


def test_a_missing_model_is_one_sentence_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (problem,) = Embed(embedder=EmbedderSpec(model=str(tmp_path))).problems()
    assert problem.endswith("no config.json there; give a saved model, or a Hub id")


def test_a_model_that_cannot_be_fetched_is_one_sentence(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (problem,) = Embed(embedder=EmbedderSpec(model="nobody/no-such-model")).problems()
    assert "neither a folder here nor can it be fetched from the Hub" in problem and "\n" not in problem


def test_a_layer_or_a_pooling_that_is_not_supported_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    (problem,) = EmbedderSpec(model=str(tmp_path)).problems()
    assert "has a layer sentence_transformers.models.Dense" in problem
    (tmp_path / "modules.json").unlink()
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    (problem,) = EmbedderSpec(model=str(tmp_path)).problems()
    assert "pools by pooling_mode_max_tokens" in problem


def test_the_identity_of_a_model_is_its_content_and_never_its_place(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    first, second = (EmbedderSpec(model=str(tmp_path / name)) for name in ("a", "b"))
    assert first.identity() == second.identity()
    (tmp_path / "b" / "config.json").write_text('{"x": 1}')
    assert first.identity() != second.identity()


class Server(BaseHTTPRequestHandler):
    """Letters as vectors. The first request of each kind is answered with 503, which is to be tried again."""

    n_refused = 0

    def do_GET(self) -> None:
        self.answer({"data": [{"id": "letters"}]})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not Server.n_refused:
            Server.n_refused += 1
            self.answer({"error": "busy"}, 503)
            return
        vectors = [[1.0 + text.count(letter) for letter in "abc"] for text in asked["input"]]
        if asked["input"] == ["bad"]:
            vectors = [[0.0, 0.0, 0.0]]
        data = [{"index": i, "embedding": one} for i, one in enumerate(vectors)]
        self.answer({"data": data[::-1]})

    def answer(self, reply: dict, status: int = 200) -> None:
        body = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_a_server_is_asked_again_and_its_vectors_are_put_in_order(address):
    spec = EmbedderSpec(model="letters", base_url=address)
    found = spec.build().embed(["aa", "b"])
    assert np.allclose(found, unit_rows(np.array([[3, 1, 1], [1, 2, 1]], dtype=np.float32)))
    assert Embed(embedder=spec).run({"problem": "b"})["embedding_model"] == "letters"


def test_a_vector_without_direction_is_an_error(address):
    with pytest.raises(EngineError, match="without a direction"):
        EmbedderSpec(model="letters", base_url=address).build().embed(["bad"])


def test_a_server_that_is_down_or_serves_another_model_is_one_sentence(address):
    assert EmbedderSpec(model="letters", base_url=address).problems() == []
    (problem,) = EmbedderSpec(model="words", base_url=address).problems()
    assert problem.startswith("embedder: model words is not served at")
    (problem,) = EmbedderSpec(model="letters", base_url="http://127.0.0.1:9/v1").problems()
    assert "does not answer" in problem


def test_a_prefix_changes_the_identity_and_a_place_does_not():
    from pipeline.fingerprint import canonical

    specs = [
        EmbedderSpec(model="m", base_url="http://a/v1"),
        EmbedderSpec(model="m", base_url="http://b/v1"),
        EmbedderSpec(model="m", base_url="http://b/v1", prefix="query: "),
    ]
    assert canonical(specs[0]) == canonical(specs[1]) != canonical(specs[2])


@pytest.mark.slow
def test_a_question_in_other_words_is_found_by_its_embedding(model, tmp_path):
    questions = ["nine and nine make ten", "five five five five"]  # the model knows no nine, ten, seven and six
    lines = [json.dumps({"id": str(i), "problem": question}) + "\n" for i, question in enumerate(questions)]
    (tmp_path / "mine.jsonl").write_text("".join(lines))
    embedder = EmbedderSpec(model=model)
    stage = Decontaminate(sets=["mine"], folder=str(tmp_path), embedder=embedder, min_cosine=0.999)
    row = {"problem": "seven and seven make six"} | Embed(embedder=embedder).run(
        {"problem": "seven and seven make six"}
    )
    (place,), (rule,), (score,) = list(stage.run(row).values())[:3]
    assert place.endswith("/0") and rule == "embedding" and score == pytest.approx(1, abs=1e-4)
    assert stage.run(row | {"embedding": None})["contaminated_by"] is None
    with pytest.raises(ValueError, match="give `embed` and `decontaminate` the same `embedder`"):
        stage.run(row | {"embedding_model": "another"})
