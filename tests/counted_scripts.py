"""Scripts for the scripted engine: one leaves a trace of every call, one heeds the temperature now and then."""

import asyncio
import os
from pathlib import Path

import xxhash

from pipeline.engines.engine import GenerateRequest
from pipeline.engines.scripted import arithmetic

LOG = "LACONIC_TEST_CALLS"
SECONDS = 0.4


async def counted(request: GenerateRequest) -> str:
    """`arithmetic` after 0.4 s; adds a line to the file named by the environment. O_APPEND keeps lines whole."""
    with Path(os.environ[LOG]).open("a") as log:
        log.write(f"{request.seed}\n")
    await asyncio.sleep(SECONDS)
    return arithmetic(request)


def warm(request: GenerateRequest) -> str:
    """`arithmetic`, but one answer in three also depends on the temperature."""
    depends = xxhash.xxh32_intdigest(str(request.seed).encode()) % 3 == 0
    note = f"\n\nI am as warm as {request.sampling.temperature}." if depends else ""
    return arithmetic(request) + note


def wordy(request: GenerateRequest) -> str:
    """A right answer after 20 kB that no compression makes much smaller, for tests that fill a disk."""
    noise = " ".join(xxhash.xxh3_128_hexdigest(f"{request.seed} {number}".encode()) for number in range(600))
    return arithmetic(request).replace("</think>", f"{noise}\n</think>")
