"""Builds `.venv` with everything the project needs, or fails with the part that is missing.

    python3 install.py --extras cpu,train,dev,notebooks

uv resolves and installs, since pip has no way to leave out the packages that break a CPU build of torch. uv does not
read pip's settings: folders of local wheels and further indexes are handed on. On a machine without a GPU torch comes
as a CPU build, from a local wheel folder that holds one or from PyTorch's own index.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
KERNELS = ("normal_form_kernel", "minhash_kernel", "overlap_kernel")
NEEDED = {
    "": (
        *("ray", "polars", "pyarrow", "numba", "regex", "pydantic"),
        *("datasets", "transformers", "sympy", "math_verify", "typer"),
    ),
    "cpu": ("torch", "vllm"),
    "gpu": ("torch", "vllm"),
    "train": ("trl", "peft", "accelerate", "matplotlib"),
    "dev": ("pytest", "hypothesis", "ruff", "mypy"),
    "benchmarks": ("datasketch", "rensa", "gaoya", "FastSketchLSH"),
    "notebooks": ("nbclient", "ipykernel", "matplotlib"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--extras", default="cpu,train,dev,notebooks", help="comma-separated extras of pyproject.toml")
    extras = [name for name in parser.parse_args().extras.split(",") if name]
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        raise SystemExit(f"Python 3.11 or 3.12 is needed, this is {sys.version.split()[0]}; set PYTHON=python3.11")
    if not PYTHON.exists():
        run([sys.executable, "-m", "venv", str(VENV)])
    run([str(PYTHON), "-m", "pip", "install", "--quiet", "uv>=0.8"])
    install(extras)
    check(extras)
    compile_kernels()


def install(extras: list[str]) -> None:
    """One resolution for everything, so that no later step can replace a part of an earlier one."""
    overrides = VENV / "overrides.txt"
    lines = [f"{name}; sys_platform == 'never'" for name in ("torchvision", "torchaudio", "torchcodec")]
    options = ["--overrides", str(overrides)]
    if "cpu" in extras:
        lines += ["torch==2.13.0+cpu", "vllm; sys_platform == 'never'"]
        if not local_cpu_torch():
            options += ["--torch-backend", "cpu"]
    overrides.write_text("\n".join(lines) + "\n")
    target = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON)]
    run([*uv, *options, "--editable", target], uv_settings())


def local_cpu_torch() -> bool:
    """Whether a folder of local wheels holds a CPU build of torch."""
    folders = [Path(place) for place in pip_setting("find-links") if "://" not in place]
    return any(folder.is_dir() and list(folder.glob("torch-*+cpu-*.whl")) for folder in folders)


def uv_settings() -> dict[str, str]:
    """pip's settings under uv's names; what the user set for uv wins."""
    found = {
        "UV_FIND_LINKS": ",".join(pip_setting("find-links")),
        "UV_EXTRA_INDEX_URL": " ".join(filter(is_usable_index, pip_setting("extra-index-url"))),
        "UV_DEFAULT_INDEX": " ".join(pip_setting("index-url")[:1]),
        "SSL_CERT_FILE": " ".join(pip_setting("cert")[:1]),
    }
    return {name: value for name, value in found.items() if value and name not in os.environ}


def is_usable_index(url: str) -> bool:
    return not url.startswith("file:")  # uv refuses a file index that lacks a page for a package


def pip_setting(name: str) -> list[str]:
    """Values of a pip setting from the environment and pip's files, without repeats."""
    done = subprocess.run([str(PYTHON), "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    values: dict[str, None] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.rpartition(".")[2] == name:
            values |= dict.fromkeys(value.strip("'\"").replace("\\n", " ").split())
    return list(values)


def check(extras: list[str]) -> None:
    """Imports every needed module in a fresh process and names all that fail."""
    missing = []
    for module in (*NEEDED[""], *(module for extra in extras for module in NEEDED.get(extra, ()))):
        done = subprocess.run([str(PYTHON), "-c", f"import {module}"], capture_output=True, text=True)
        if done.returncode:
            missing.append(f"{module}: {done.stderr.strip().splitlines()[-1]}")
    if missing:
        raise SystemExit("the installation is not complete:\n  " + "\n  ".join(missing))


def compile_kernels() -> None:
    """Half a minute now, not in every worker that comes first: numba keeps the result beside the kernels."""
    run([str(PYTHON), "-c", "".join(f"import stages.{kernel};" for kernel in KERNELS)])


def run(command: list[str], settings: dict[str, str] | None = None) -> None:
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} was not found")
    done = subprocess.run(command, env=os.environ | (settings or {}))
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
