"""Which questions share word n-grams with a text, without building a string: a compiled filter for `stages.overlap`.

    text -> bytes -> a hash per word -> n-gram hashes (rolling polynomial) ─┐
    questions ── the same ──> open-address table: n-gram -> questions ──────┴─> counts per question -> those that reach
                                                                               the number they need

A filter and nothing more: a repeated n-gram counts each time and hashes may collide, so it may name a question too
many, never one too few. What it names is compared on the words. Hashes live in memory only and are never stored.
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]

_BASE = np.uint64(0x9E3779B97F4A7C15)
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT, _EMPTY = np.uint64(33), np.uint64(0)
_SEPARATOR, _DIGIT, _LETTER = 0, 1, 2
_BACKSLASH = ord("\\")


def _byte_kinds() -> U8:
    """Digits and letters make words; every byte beyond ASCII counts as a letter."""
    kinds = np.zeros(256, dtype=np.uint8)
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    for first, last in ("az", "AZ"):
        kinds[ord(first) : ord(last) + 1] = _LETTER
    kinds[128:] = _LETTER
    return kinds


def _folded_bytes() -> U8:
    """ASCII capitals as small letters."""
    folded = np.arange(256, dtype=np.uint8)
    folded[ord("A") : ord("Z") + 1] += 32
    return folded


_KIND, _FOLDED = _byte_kinds(), _folded_bytes()


@numba.njit(cache=True)
def word_hashes(data: U8) -> U64:
    """FNV-1a, mixed, of each run of letters or of digits; a LaTeX command (a backslash and letters) is no word."""
    hashes = np.empty(data.size, dtype=np.uint64)
    n_words, place, size = 0, 0, data.size
    while place < size:
        byte = data[place]
        kind = _KIND[byte]
        if kind == _SEPARATOR:
            place += 1
            if byte == _BACKSLASH and place < size:
                if data[place] == _BACKSLASH:
                    place += 1
                else:
                    while place < size and data[place] < 128 and _KIND[data[place]] == _LETTER:
                        place += 1
            continue
        value = _FNV_OFFSET
        while place < size and _KIND[data[place]] == kind:
            value = (value ^ np.uint64(_FOLDED[data[place]])) * _FNV_PRIME
            place += 1
        hashes[n_words] = _mix(value)
        n_words += 1
    return hashes[:n_words]


@numba.njit(cache=True)
def ngram_hashes(words: U64, n: int) -> U64:
    """One hash for each run of n words, in order and with repeats; none for a shorter text."""
    n_grams = words.size - n + 1
    if n_grams < 1:
        return np.empty(0, dtype=np.uint64)
    grams = np.empty(n_grams, dtype=np.uint64)
    power = np.uint64(1)
    for _ in range(n - 1):
        power *= _BASE
    rolling = np.uint64(0)
    for place in range(words.size):
        if place >= n:
            rolling -= words[place - n] * power
        rolling = rolling * _BASE + words[place]
        if place >= n - 1:
            grams[place - n + 1] = _mix(rolling)
    return grams


@numba.njit(cache=True)
def _mix(value: Any) -> Any:
    """The finisher of MurmurHash3 (Appleby, public domain), never 0: that marks an empty slot."""
    value = (value ^ (value >> _SHIFT)) * _MIX_1
    value = (value ^ (value >> _SHIFT)) * _MIX_2
    value ^= value >> _SHIFT
    return value if value != _EMPTY else _FNV_PRIME


@numba.njit(cache=True)
def _byte_of(gram: Any, known: U8) -> Any:
    """Place in `known`, by other bits of the hash than those that choose a slot."""
    return (gram >> np.uint64(35)) & np.uint64(known.size - 1)


@numba.njit(cache=True)
def _bit_of(gram: Any) -> Any:
    return np.uint8(1) << np.uint8((gram >> np.uint64(32)) & np.uint64(7))


@numba.njit(cache=True)
def _fill(keys: U64, entries: I32, known: U8, hashes: U64) -> None:
    mask = np.uint64(keys.size - 1)
    for entry in range(hashes.size):
        known[_byte_of(hashes[entry], known)] |= _bit_of(hashes[entry])
        slot = hashes[entry] & mask
        while keys[slot] != _EMPTY:
            slot = (slot + np.uint64(1)) & mask
        keys[slot], entries[slot] = hashes[entry], entry


@numba.njit(cache=True)
def _reached(
    words: U64, n: int, known: U8, keys: U64, entries: I32, starts: I32, holders: I32, needed: I32, counts: I32,
    touched: I32,
) -> I32:  # fmt: skip
    """Counts shared n-grams per question in `counts`, which is all 0 before and after."""
    mask = np.uint64(keys.size - 1)
    n_touched = 0
    for gram in ngram_hashes(words, n):
        if not known[_byte_of(gram, known)] & _bit_of(gram):
            continue
        slot = gram & mask
        while keys[slot] != _EMPTY and keys[slot] != gram:
            slot = (slot + np.uint64(1)) & mask
        if keys[slot] == _EMPTY:
            continue
        entry = entries[slot]
        for place in range(starts[entry], starts[entry + 1]):
            question = holders[place]
            if counts[question] == 0:
                touched[n_touched] = question
                n_touched += 1
            counts[question] += 1
    found = np.empty(n_touched, dtype=np.int32)
    n_found = 0
    for question in touched[:n_touched]:
        if counts[question] >= needed[question]:
            found[n_found] = question
            n_found += 1
        counts[question] = 0
    return found[:n_found]


class NgramTable:
    """Word n-grams of numbered questions. Takes 24 to 48 bytes per distinct n-gram. For one thread at a time."""

    def __init__(self, questions: Sequence[U64], n: int, least_share: float, max_holders: int) -> None:
        """At least one n-gram of a question must be shared, and `least_share` of its distinct ones. N-grams of more
        than `max_holders` questions are stock phrases and count for nothing."""
        grams = [np.unique(ngram_hashes(words, n)) for words in questions]
        sizes = np.array([one.size for one in grams], dtype=np.int64)
        every = np.concatenate([*grams, np.empty(0, dtype=np.uint64)])
        holders = np.repeat(np.arange(len(grams), dtype=np.int32), sizes)
        order = np.argsort(every, kind="stable")
        hashes, n_holders = np.unique(every[order], return_counts=True)
        is_kept = n_holders <= max_holders
        self.n, self.least_share = n, least_share
        self.stock = frozenset(hashes[~is_kept].tolist())
        self._holders = holders[order][np.repeat(is_kept, n_holders)]
        self._starts = np.concatenate(([0], np.cumsum(n_holders[is_kept]))).astype(np.int32)
        self._known, self._keys, self._entries = _table(hashes[is_kept])
        n_kept = np.bincount(self._holders, minlength=len(grams))
        self._needed = np.maximum(1, np.floor(least_share * n_kept)).astype(np.int32)
        self._counts = np.zeros(len(grams), dtype=np.int32)
        self._touched = np.empty(len(grams), dtype=np.int32)

    def reached(self, words: U64) -> I32:
        """Questions that share enough n-grams with a text, in no order."""
        return _reached(
            words, self.n, self._known, self._keys, self._entries, self._starts, self._holders, self._needed,
            self._counts, self._touched,
        )  # fmt: skip


def _table(hashes: U64) -> tuple[U8, U64, I32]:
    """Twice to four times as many slots as hashes: a look-up that finds nothing ends after 1.5 slots on average.

    Most end before: `known` has a bit for 8 to 16 times as many values as there are hashes, so it stays in the cache
    (1 MB for a million n-grams, where slots take 24 MB) and lets one unknown n-gram in ten or fewer pass.
    """
    n_slots = 1 << (2 * hashes.size + 1).bit_length()
    keys, entries = np.zeros(n_slots, dtype=np.uint64), np.zeros(n_slots, dtype=np.int32)
    known = np.zeros(max(1, n_slots // 2), dtype=np.uint8)
    _fill(keys, entries, known, hashes)
    return known, keys, entries
