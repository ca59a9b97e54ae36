"""Near duplicates: MinHash bands propose (`stages.minhash_kernel`), exact Jaccard similarity of the n-grams decides.

    `minhash` -> bands -> buckets -> exact Jaccard >= threshold -> connected components -> the best unit of each stays

Every pair that is joined was compared exactly, so precision is 1.0 but for collisions of 64-bit shingle hashes; 16 x 8
bands propose .95 of all pairs at Jaccard .8 and .9998 at .9. Variants of one template differ in their numbers and
little else: the number guard keeps texts apart whose multisets of numbers differ. A component may hold units that are
less similar than `threshold` to the one that stands for them; `similarity` says how much.

Blind spots: paraphrases (median n-gram overlap under .1), one exchanged word ("largest" for "smallest"), moved signs.
"""

from typing import Self

import numpy as np
import polars as pl
import xxhash
from pydantic import Field, model_validator

from pipeline.stage import Table
from schemas.columns import MINHASH
from stages import minhash_kernel, normal_form
from stages.duplicates import MARKS, Comparison
from stages.minhash_kernel import U32, U64, Components, band_buckets, signatures
from stages.normal_form import numbers, words


class DedupMinhash(Comparison, Table):
    version = 1
    reads_if_present = tuple(column.name for column in MARKS)
    writes = MARKS

    threshold: float = Field(default=0.8, gt=0, le=1)
    """Least Jaccard similarity, of sets of word n-grams, of two duplicates."""
    ngram: int = Field(default=3, ge=1)
    """Words per shingle, as in `sign_minhash`."""
    num_bands: int = Field(default=16, ge=1)
    """More bands propose more pairs."""
    rows_per_band: int = Field(default=8, ge=1)
    """More rows propose fewer pairs; num_bands x rows_per_band is the `num_perm` of `sign_minhash`."""
    number_guard: bool = True
    """Texts whose multisets of numbers differ are no duplicates. Set it to false for long traces."""

    @model_validator(mode="after")
    def _bands_propose(self) -> Self:
        recall = 1 - (1 - self.threshold**self.rows_per_band) ** self.num_bands
        if recall < 0.5:
            raise ValueError(
                f"{self.num_bands} bands of {self.rows_per_band} rows would find only {recall:.0%} of the pairs at "
                f"similarity {self.threshold}; use more bands with fewer rows"
            )
        return self

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*super().reads, MINHASH.name)

    def code_identity(self) -> dict[str, str]:
        return {"words": str(normal_form.VERSION), "minhash": str(minhash_kernel.VERSION)}

    def run(self, rows: pl.DataFrame) -> pl.DataFrame:
        units = self.units(rows).drop_nulls(MINHASH.name)
        texts = units[self.column].to_list()
        components = Components(texts, self._groups(units, texts), self.ngram, self.threshold)
        for bucket in band_buckets(self._signatures(units), components.groups, self.num_bands):
            components.join(bucket)
        ids = units[self.id_column].to_list()
        found = {ids[unit]: (ids[best], similarity) for unit, best, similarity in components.members()}
        return self.marks(rows, found)

    def _groups(self, units: pl.DataFrame, texts: list[str]) -> U64:
        """Only units of one group are compared: the same numbers, and for traces the same problem."""
        guards = [numbers(words(text)) if self.number_guard else () for text in texts]
        keys = ["\n".join((scope, *guard)) for scope, guard in zip(self.scopes(units), guards, strict=True)]
        return np.array([xxhash.xxh3_64_intdigest(key.encode()) for key in keys], dtype=np.uint64)

    def _signatures(self, units: pl.DataFrame) -> U32:
        """The signatures as a matrix; raises ValueError where they were made with other settings than these."""
        num_perm = self.num_bands * self.rows_per_band
        lengths = units[MINHASH.name].bin.size().unique().sort() // 4
        if any(length != num_perm for length in lengths):
            raise ValueError(
                f"signatures of {lengths.to_list()} permutations cannot be cut into {self.num_bands} bands of "
                f"{self.rows_per_band} rows; set num_perm of sign_minhash to {num_perm}"
            )
        matrix = np.frombuffer(b"".join(units[MINHASH.name]), dtype="<u4").reshape(-1, num_perm)
        if len(matrix) and (matrix[0] != signatures([units[self.column][0]], self.ngram, num_perm)[0]).any():
            raise ValueError(
                f"the signatures were not made from {self.column!r} with n-grams of {self.ngram} words; "
                "give sign_minhash the same `column` and `ngram`"
            )
        return matrix
