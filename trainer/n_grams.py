"""Repeated n-grams of tokens: how much of a completion stood in it before, and which tokens.

token ids ──> n-grams, first to last ──> share that was seen before | positions that a repetition covers
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def repeated_share(token_ids: Sequence[int], n: int) -> float:
    """1 - distinct / all n-grams; 0 where there is none."""
    n_all = len(token_ids) - n + 1
    if n_all <= 0:
        return 0.0
    return 1 - len({tuple(token_ids[start : start + n]) for start in range(n_all)}) / n_all


def repeated_positions(token_ids: Sequence[int], n: int) -> NDArray[np.bool_]:
    """Positions of the tokens in an n-gram that stood in the completion before."""
    repeated, seen = np.zeros(len(token_ids), dtype=np.bool_), set()
    for start in range(len(token_ids) - n + 1):
        gram = tuple(token_ids[start : start + n])
        if gram in seen:
            repeated[start : start + n] = True
        seen.add(gram)
    return repeated
