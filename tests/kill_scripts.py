"""Scripts for the scripted engine that leave a trace of every call, for tests that count what a kill has cost."""

import asyncio
import os
from pathlib import Path

from pipeline.engines.engine import GenerateRequest
from pipeline.engines.scripted import arithmetic

LOG = "LACONIC_TEST_CALLS"


async def counted(request: GenerateRequest) -> str:
    """`arithmetic` after 30 ms; adds a line to the file named by the environment. O_APPEND keeps lines whole."""
    with Path(os.environ[LOG]).open("a") as log:
        log.write(f"{request.seed}\n")
    await asyncio.sleep(0.03)
    return arithmetic(request)
