"""Seeds of single calls, derived from the run's seed: never equal across samples, the same on every machine."""

from hashlib import blake2b


def derive_seed(run_seed: int, *parts: str | int) -> int:
    """A seed in [0, 2^31) for the call named by `parts`, e.g. a problem's id and a sample's index."""
    text = "\x1f".join(map(str, (run_seed, *parts)))
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") >> 1
