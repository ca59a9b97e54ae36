"""Names of engines, and the mistakes that are seen before anything is loaded."""

import pytest

from pipeline.engines.build import build_engine, check, identity
from pipeline.engines.engine import EngineConfig, EngineSpec
from pipeline.errors import EngineError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "model"


def name_of(model, **fields) -> dict[str, str]:
    return identity(EngineSpec(model=str(model), **fields))


def test_a_folder_is_named_by_its_content_wherever_it_lies(folder, tmp_path):
    before = name_of(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    assert name_of(moved) == before
    assert str(tmp_path) not in str(before)


def test_another_byte_another_file_or_another_name_is_another_model(folder):
    names = [name_of(folder)["model"]]
    (folder / "model.safetensors").write_bytes(b"wEights")
    names.append(name_of(folder)["model"])
    (folder / "tokenizer.json").write_text("{}")
    names.append(name_of(folder)["model"])
    (folder / "tokenizer.json").rename(folder / "other.json")
    names.append(name_of(folder)["model"])
    assert len(set(names)) == 4


def test_an_unchanged_folder_is_read_once(folder):
    import os

    before, stat = name_of(folder), (folder / "model.safetensors").stat()
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    os.utime(folder / "model.safetensors", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert name_of(folder) == before  # same size and time: the digest is taken from memory


def test_template_revision_and_context_are_part_of_the_name(tmp_path):
    template = tmp_path / "template.jinja"
    template.write_text("{{ messages }}")
    plain = name_of("org/model")
    assert plain == {"model": "org/model", "revision": "", "chat_template": "", "max_model_len": "0"}
    with_template = name_of("org/model", chat_template=str(template))
    template.write_text("{{ messages[0] }}")
    others = [name_of("org/model", chat_template=str(template)), name_of("org/model", revision="abc")]
    others.append(name_of("org/model", max_model_len=512))
    assert len({str(name) for name in [plain, with_template, *others]}) == 5


def test_a_script_is_named_with_the_digest_of_its_module():
    name = name_of("scripted:pipeline.engines.scripted:arithmetic")["model"]
    head, digest = name.rsplit(" ", 1)
    assert (head, len(digest)) == ("scripted:pipeline.engines.scripted:arithmetic", 32)


MISTAKES = [
    ("./no/such/folder", {}, "no config.json there"),
    ("tests/no_such_folder", {}, "no config.json there"),
    ("scripted:no_such_module:f", {}, "No module named 'no_such_module'"),
    ("scripted:pipeline.engines.scripted:no_such", {}, "has no attribute 'no_such'"),
    ("scripted:pipeline.engines.scripted:SHARE_RIGHT", {}, "is not a function"),
    ("scripted:pipeline.engines.scripted:arithmetic", {"backend": "vllm"}, "needs backend: scripted"),
    ("org/model", {"backend": "scripted"}, "needs model scripted:"),
    ("org/model", {"backend": "openai"}, "base_url"),
    ("org/model", {"backend": "openai", "base_url": "localhost:8000/v1"}, "base_url"),
    ("org/model", {"backend": "openai", "base_url": "https://api.example/v1", "api_key_env": "NOT_SET"}, "NOT_SET is"),
    ("org/model", {"tensor_parallel_size": 2, "num_gpus": 1}, "raise num_gpus"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "settings", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence_before_anything_is_loaded(model, settings, sentence):
    spec, config = EngineSpec(model=model), EngineConfig.model_validate(settings)
    (problem,) = check(spec, config)
    assert sentence in problem
    with pytest.raises(EngineError):
        build_engine(spec, config)


def test_a_missing_template_is_a_mistake_of_its_own():
    spec = EngineSpec(model="scripted:pipeline.engines.scripted:arithmetic", chat_template="no/template.jinja")
    assert check(spec, EngineConfig()) == ["chat_template: there is no file no/template.jinja"]


def test_a_good_engine_has_nothing_wrong(folder):
    local = EngineConfig(backend="openai", base_url="http://localhost:8000/v1")
    assert check(EngineSpec(model=str(folder)), EngineConfig(backend="transformers")) == []
    assert check(EngineSpec(model="scripted:tests.scripts:echo"), EngineConfig()) == []
    assert check(EngineSpec(model="any"), local) == []
