"""What every benchmark prints beside its figures: cores, load, versions; and the last line, one JSON object."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any


def machine(*distributions: str) -> dict[str, Any]:
    """Cores, processor, load average and versions of the named distributions."""
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "processor": found[0].partition(":")[2].strip() if found else platform.machine(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in distributions},
    }


def print_result(figures: dict[str, Any], *distributions: str) -> None:
    """The table's figures once more for programs, with the machine, as the last line."""
    print(json.dumps(figures | {"machine": machine(*distributions)}))
