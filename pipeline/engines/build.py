"""From a spec to a name, to a list of what is wrong with it, and to an engine.

identity(spec)       what enters the key of a call: content, never a place or a backend
check(spec, config)  mistakes that can be seen without loading anything, a sentence each
probe(spec, config)  the same for a service: asks it once whether it is there and serves the model
build_engine(...)    the engine itself, in this process (`pipeline.engines.actor` puts it on Ray)
"""

import inspect
import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import xxhash

from pipeline.engines.engine import Engine, EngineConfig, EngineSpec
from pipeline.engines.scripted import PREFIX, ScriptedEngine, load_script
from pipeline.errors import EngineError

CHUNK_BYTES = 1 << 22
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def identity(spec: EngineSpec) -> dict[str, str]:
    """Model (for a folder and a script: a digest of the files), revision, template digest, context length."""
    model = spec.model
    if is_scripted(spec):
        model = f"{model} {_digest_of_script(model)}"
    elif Path(model).is_dir():
        model = f"files {folder_digest(Path(model))}"
    return {
        "model": model,
        "revision": spec.revision,
        "chat_template": _digest_of_files((Path(spec.chat_template),)) if spec.chat_template else "",
        "max_model_len": str(spec.max_model_len),
    }


def folder_digest(folder: Path) -> str:
    """Digest of names and bytes of the model's files below `folder`; read again only where a size or a time changed."""
    files = tuple(sorted(path for path in folder.rglob("*") if path.is_file() and not _is_beside(path, folder)))
    stamps = tuple((stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in files))
    return _digest_of_stamped(folder, files, stamps)


def is_scripted(spec: EngineSpec) -> bool:
    return spec.model.startswith(PREFIX)


def backend_of(spec: EngineSpec, config: EngineConfig) -> str:
    if config.backend != "auto":
        return config.backend
    if is_scripted(spec):
        return "scripted"
    return "vllm" if find_spec("vllm") else "transformers"


def check(spec: EngineSpec, config: EngineConfig) -> list[str]:
    backend = backend_of(spec, config)
    problems = [f"chat_template: there is no file {spec.chat_template}"] if _missing_template(spec) else []
    if backend == "scripted":
        return problems + _script_problems(spec)
    if is_scripted(spec):
        return [*problems, f"model {spec.model} needs backend: scripted or auto, not {backend}"]
    return problems + (_service_problems(config) if backend == "openai" else _local_problems(spec, config, backend))


async def probe(spec: EngineSpec, config: EngineConfig) -> list[str]:
    """Asks an OpenAI-compatible service once (10 s at most); other backends have nothing to ask."""
    if backend_of(spec, config) != "openai":
        return []
    from pipeline.engines.openai_http import probe_service

    return await probe_service(spec, config)


def build_engine(spec: EngineSpec, config: EngineConfig) -> Engine:
    """Loads the model in this process. Raises `EngineError` with one sentence where that fails."""
    problems = check(spec, config)
    if problems:
        raise EngineError("; ".join(problems))
    match backend_of(spec, config):
        case "scripted":
            return ScriptedEngine(spec)
        case "openai":
            from pipeline.engines.openai_http import OpenAIEngine

            return OpenAIEngine(spec, config)
        case "transformers":
            from pipeline.engines.hf import TransformersEngine

            return TransformersEngine(spec, config)
        case _:
            from pipeline.engines.vllm_engine import VllmEngine

            return VllmEngine(spec, config)


def _script_problems(spec: EngineSpec) -> list[str]:
    if not is_scripted(spec):
        return [f"backend scripted needs model scripted:<module>:<function>, not {spec.model}"]
    try:
        load_script(spec.model)
    except EngineError as error:
        return [str(error)]
    return []


def _service_problems(config: EngineConfig) -> list[str]:
    host = urlsplit(config.base_url).hostname
    if urlsplit(config.base_url).scheme not in ("http", "https") or not host:
        return ["base_url: backend openai needs the root of an API, e.g. http://localhost:8000/v1"]
    if host not in LOOPBACK and config.api_key_env and not os.environ.get(config.api_key_env):
        return [f"api_key_env: {config.api_key_env} is not set; set it, or write '' for a server that asks for no key"]
    return []


def _local_problems(spec: EngineSpec, config: EngineConfig, backend: str) -> list[str]:
    problems = []
    for package in (backend, "torch"):
        if not find_spec(package):
            problems.append(f"backend {backend}: {package} is not installed; install laconic[gpu] or laconic[cpu]")
    if _is_local(spec.model) and not (Path(spec.model) / "config.json").is_file():
        problems.append(f"model {spec.model}: no config.json there; give a folder with a saved model, or a hub id")
    if config.tensor_parallel_size > max(1.0, config.num_gpus):
        problems.append(f"tensor_parallel_size {config.tensor_parallel_size} needs as many GPUs; raise num_gpus to it")
    return problems


def _is_local(model: str) -> bool:
    """`tiny/teacher` could be a hub id; it is a folder where there is a folder `tiny`."""
    return model.startswith((".", "/", "~")) or Path(model).is_dir() or ("/" in model and Path(model).parent.is_dir())


def _missing_template(spec: EngineSpec) -> bool:
    return bool(spec.chat_template) and not Path(spec.chat_template).is_file()


def _is_beside(path: Path, folder: Path) -> bool:
    """Hidden files, cards and licences say nothing about what the model answers."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return hidden or path.suffix == ".md" or path.stem.startswith(("LICENSE", "NOTICE"))


def _digest_of_script(model: str) -> str:
    """Digest of the whole module: what the function calls may change its answers as well."""
    source = inspect.getsourcefile(load_script(model))
    if source is None:
        raise EngineError(f"model {model!r} names a function without a source file")
    return _digest_of_files((Path(source),))


@lru_cache(maxsize=64)
def _digest_of_stamped(folder: Path, files: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> str:
    return _digest_of_files(files, folder)


def _digest_of_files(files: tuple[Path, ...], folder: Path | None = None) -> str:
    digest = xxhash.xxh3_128()
    for path in files:
        name = str(path.relative_to(folder)) if folder else ""
        digest.update(f"{len(name)} {name} {path.stat().st_size} ".encode())
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
