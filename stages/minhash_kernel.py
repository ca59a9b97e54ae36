"""MinHash without shingle strings: words are hashed once, word n-grams are combined by a rolling polynomial.

    texts -> words -> xxh3 per word -> shingle hashes (u64) -> num_perm minima (u32)     one signature per text
    signatures -> a hash per band, packed with the row number -> sort in place -> buckets of candidates

Everything here is our own or xxh3, so signatures are equal on every machine and in every release of the libraries;
that is what allows them to be kept. Sources: Broder 1997 (min-wise hashing); Leskovec et al., Mining of Massive
Datasets, section 3.4 (bands). At Jaccard J, b bands of r rows propose a pair with probability 1 - (1 - J^r)^b: .947
for 16 x 8 at .8, .9998 at .9.
"""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import xxhash

from stages.normal_form import words

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

VERSION = 1
"""Version of the signatures; raise it when the same text would get another one."""

BLANK = np.iinfo(np.uint32).max
"""Every minimum of a text without words."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_BLOCK = 512  # shingles at a time: 128 x 512 x 4 bytes stay in the second-level cache


def signatures(texts: Sequence[str], ngram: int, num_perm: int) -> U32:
    """One row of `num_perm` minima per text; all BLANK for a text without words."""
    result = np.full((len(texts), num_perm), BLANK, dtype=np.uint32)
    for row, text in enumerate(texts):
        _lower(result[row], (shingle_hashes(words(text), ngram) >> np.uint64(32)).astype(np.uint32))
    return result


def shingle_hashes(words: Sequence[str], ngram: int) -> U64:
    """A hash for each run of `ngram` words, in order and with repeats; a shorter text is a single shingle."""
    if not words:
        return np.empty(0, dtype=np.uint64)
    hashes = np.array([xxhash.xxh3_64_intdigest(word.encode()) for word in words], dtype=np.uint64)
    n_shingles = max(1, len(words) - ngram + 1)
    combined = np.zeros(n_shingles, dtype=np.uint64)
    for offset in range(min(ngram, len(words))):
        combined = combined * _BASE + hashes[offset : offset + n_shingles]
    return _mix(combined)


def jaccard(left: U64, right: U64) -> float:
    """Jaccard similarity of two sorted arrays without repeats; 1.0 only for equal sets."""
    n_shared = np.intersect1d(left, right, assume_unique=True).size
    return float(n_shared / (left.size + right.size - n_shared))


def band_buckets(signatures: U32, groups: U64, num_bands: int) -> Iterator[list[int]]:
    """Rows that share a band and a group, as sorted lists of two or more row numbers; a pair may come repeatedly.

    The row number sits in the low bits of the key, so that one in-place sort orders both (3-10 times as fast as an
    argsort). The hash loses those bits: two rows of a bucket are candidates, nothing more.
    """
    n_rows = len(signatures)
    low_bits = np.uint64((1 << max(1, (n_rows - 1).bit_length())) - 1)
    numbers = np.arange(n_rows, dtype=np.uint64)
    for band in np.split(signatures, num_bands, axis=1):
        keys = (_hash_rows(band, groups) & ~low_bits) | numbers
        keys.sort()
        starts = np.flatnonzero(np.diff(keys & ~low_bits, prepend=~keys[:1])) if n_rows else np.empty(0, dtype=np.intp)
        ends = np.append(starts[1:], n_rows)
        for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
            yield (keys[start:end] & low_bits).tolist()


class Components:
    """Connected components of the texts whose exact similarity reaches `threshold`, grown bucket by bucket.

    Texts are known by their number, best first: the lowest number of a component stands for the others. Only texts of
    equal `groups` are joined.
    """

    def __init__(self, texts: Sequence[str], groups: U64, ngram: int, threshold: float) -> None:
        self.groups = groups
        self._texts, self._ngram, self._threshold = texts, ngram, threshold
        self._parents = list(range(len(texts)))
        self._shingles: dict[int, U64] = {}
        self._apart: set[tuple[int, int]] = set()

    def join(self, bucket: list[int]) -> None:
        """Compares each text with the others of its bucket, but never within a component: that would tell nothing."""
        parts: list[list[int]] = []
        for text in bucket:
            for part in parts:
                if self.root(part[0]) != self.root(text) and any(self._are_similar(other, text) for other in part):
                    self._unite(part[0], text)
            home = next((part for part in parts if self.root(part[0]) == self.root(text)), None)
            if home is None:
                parts.append([text])
            else:
                home.append(text)

    def members(self) -> Iterator[tuple[int, int, float]]:
        """Each text that another stands for: its number, that of the other, their exact similarity."""
        for text in range(len(self._parents)):
            if (best := self.root(text)) != text:
                yield text, best, jaccard(self._shingle_set(text), self._shingle_set(best))

    def root(self, text: int) -> int:
        while self._parents[text] != text:
            self._parents[text] = text = self._parents[self._parents[text]]
        return text

    def _unite(self, left: int, right: int) -> None:
        low, high = sorted((self.root(left), self.root(right)))
        self._parents[high] = low

    def _are_similar(self, left: int, right: int) -> bool:
        if self.groups[left] != self.groups[right] or (left, right) in self._apart:
            return False
        if jaccard(self._shingle_set(left), self._shingle_set(right)) >= self._threshold:
            return True
        self._apart.add((left, right))
        return False

    def _shingle_set(self, text: int) -> U64:
        if text not in self._shingles:
            self._shingles[text] = np.unique(shingle_hashes(words(self._texts[text]), self._ngram))
        return self._shingles[text]


def _lower(minima: U32, hashes: U32) -> None:
    multipliers, offsets = _permutations(minima.size)
    for start in range(0, hashes.size, _BLOCK):
        permuted = multipliers * hashes[start : start + _BLOCK] + offsets
        np.minimum(minima, permuted.min(axis=1), out=minima)


@cache
def _permutations(num_perm: int) -> tuple[U32, U32]:
    """h -> a*h + b mod 2^32 with odd a: one to one, drawn from xxh3 and not from a generator that may change."""
    draws = np.array([xxhash.xxh3_64_intdigest(b"laconic minhash %d" % i) for i in range(num_perm)], dtype=np.uint64)
    multipliers = (draws >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    return multipliers[:, None], draws.astype(np.uint32)[:, None]


def _hash_rows(band: U32, groups: U64) -> U64:
    combined = groups.copy()
    for column in band.T:
        combined = _mix(combined * _BASE + column)
    return combined


def _mix(hashes: U64) -> U64:
    """The finisher of MurmurHash3 (Appleby, public domain): every input bit reaches every output bit."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return hashes ^ (hashes >> np.uint64(33))
