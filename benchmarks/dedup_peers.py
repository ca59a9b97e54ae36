"""MinHash as its peers offer it, from texts in Python: word 5-grams of `str.split`, 128 permutations, one thread.

Each function takes texts and gives signatures, or an index that holds them, in the fastest way that the library's
own interface has for texts. A peer that is not installed is named and left out; datasketch is required.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

NGRAM, NUM_PERM, NUM_BANDS, ROWS_PER_BAND = 5, 128, 16, 8

Sign = Callable[[list[str]], Any]


def shingle_strings(text: str) -> list[str]:
    words = text.split()
    return [" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))]


def sign_datasketch(texts: list[str]) -> Any:
    from datasketch import MinHash

    return MinHash.bulk([[s.encode() for s in shingle_strings(text)] for text in texts], num_perm=NUM_PERM)


def sign_rensa(texts: list[str]) -> Any:
    from rensa import RMinHash

    return RMinHash.digest_matrix_from_token_sets([shingle_strings(text) for text in texts], NUM_PERM, 42)


def sign_fastsketchlsh(texts: list[str]) -> Any:
    from FastSketchLSH import FastSimilaritySketch

    return FastSimilaritySketch(NUM_PERM, 42).batch([shingle_strings(text) for text in texts], False, 1)


def index_gaoya(texts: list[str]) -> Any:
    """gaoya makes its signatures while it inserts, and the n-grams too."""
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=0.8,
        num_bands=NUM_BANDS,
        band_size=ROWS_PER_BAND,
        analyzer="word",
        ngram_range=(NGRAM, NGRAM),
    )
    for number, text in enumerate(texts):
        index.insert_document(number, text)
    return index


def find_datasketch(texts: list[str]) -> int:
    """Text to candidate pairs, unverified: the number of texts that an earlier one is a candidate for."""
    from datasketch import MinHashLSH

    index = MinHashLSH(num_perm=NUM_PERM, params=(NUM_BANDS, ROWS_PER_BAND))
    n_found = 0
    for number, signature in enumerate(sign_datasketch(texts)):
        n_found += bool(index.query(signature))
        index.insert(number, signature)
    return n_found


def peers() -> dict[str, Sign]:
    """By distribution name, those that are installed; raises SystemExit without datasketch."""
    known = {
        "datasketch": sign_datasketch,
        "rensa": sign_rensa,
        "gaoya": index_gaoya,
        "FastSketchLSH": sign_fastsketchlsh,
    }
    found = {name: sign for name, sign in known.items() if find_spec(name)}
    if missing := [name for name in known if name not in found]:
        print(f"not installed, left out: {', '.join(missing)} (`make venv EXTRAS=cpu,train,dev,notebooks,benchmarks`)")
    if "datasketch" not in found:
        raise SystemExit("datasketch is what the figures are measured against; install the extra `benchmarks`")
    return found
