"""Near duplicates: MinHash bands propose (`stages.minhash`), exact Jaccard similarity of the n-grams decides.

    `minhash` -> bands -> buckets -> exact Jaccard >= threshold -> connected components -> the best unit of each stays

Every pair that is joined was compared exactly, so precision is 1.0 but for collisions of 64-bit shingle hashes; 16 x 8
bands propose .95 of all pairs at Jaccard .8 and .9998 at .9. Variants of one template differ in their numbers and
little else: the number guard keeps texts apart whose multisets of numbers differ. A component may hold units that are
less similar than `threshold` to the one that stands for them; `similarity` says how much.

Blind spots: paraphrases (median n-gram overlap under .1), one exchanged word ("largest" for "smallest"), moved signs.
"""

from typing import Literal, Self

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import Field, model_validator

from pipeline.stage import Table
from schemas.columns import MINHASH
from stages import minhash, normal_form
from stages.duplicates import MARKS, Comparison, arrow_texts
from stages.minhash import U32, U64, Shingling, near_duplicates, number_guards, scope_hashes, signatures


class DedupMinhash(Comparison, Table):  # type: ignore[override]
    version = 3
    writes = MARKS

    threshold: float = Field(default=0.8, gt=0, le=1)
    """Least Jaccard similarity, of sets of n-grams, of two duplicates."""
    unit: Literal["word", "char"] = "word"
    """What a shingle is made of, as in `sign_minhash`."""
    ngram: int = Field(default=3, ge=1, le=64)
    """Words or characters per shingle, as in `sign_minhash`."""
    num_bands: int = Field(default=16, ge=1)
    """More bands propose more pairs."""
    rows_per_band: int = Field(default=8, ge=1)
    """More rows propose fewer pairs; num_bands x rows_per_band is the `num_perm` of `sign_minhash`."""
    numbers: Literal["exact", "ignore"] = "exact"
    """`exact`: texts whose multisets of numbers differ are no duplicates. Set it to `ignore` for long traces."""

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
        return {"words": str(normal_form.VERSION), "minhash": str(minhash.VERSION)}

    def run(self, rows: pl.DataFrame) -> pl.DataFrame:
        units = self.units(rows).drop_nulls(MINHASH.name)
        texts = arrow_texts(units[self.column])
        matrix, groups = self._signatures(units, texts), self._groups(units, texts)
        ids = units[self.id_column]
        found: dict[str, tuple[str, float]] = {}
        pairs = near_duplicates(texts, matrix, groups, self.num_bands, self._shingling, self.threshold)
        for marked, best, similarity in pairs:
            stays = zip(ids[best].to_list(), similarity.tolist(), strict=True)
            found.update(zip(ids[marked].to_list(), stays, strict=True))
        return self.marks(rows, found)

    @property
    def _shingling(self) -> Shingling:
        return Shingling(self.ngram, self.unit)

    def _groups(self, units: pl.DataFrame, texts: pa.Array) -> U64:
        """Only units of one group are compared: the same numbers, and for traces the same problem."""
        groups = np.zeros(units.height, dtype=np.uint64)
        if self.scope == "traces":
            groups += scope_hashes(self.scopes(units))
        if self.numbers == "exact":
            groups += number_guards(texts)
        return groups

    def _signatures(self, units: pl.DataFrame, texts: pa.Array) -> U32:
        """The signatures as a matrix; raises ValueError where they were made with other settings than these."""
        num_perm = self.num_bands * self.rows_per_band
        lengths = units[MINHASH.name].bin.size().unique().sort() // 4
        if any(length != num_perm for length in lengths):
            raise ValueError(
                f"signatures of {lengths.to_list()} permutations cannot be cut into {self.num_bands} bands of "
                f"{self.rows_per_band} rows; set num_perm of sign_minhash to {num_perm}"
            )
        stored = units[MINHASH.name].to_arrow().cast(pa.large_binary())
        first, data = stored.offset * 4 * num_perm, stored.buffers()[2]
        n_minima = units.height * num_perm
        matrix = np.frombuffer(data, "<u4", n_minima, first) if n_minima else np.empty(0, dtype=np.uint32)
        matrix = matrix.reshape(-1, num_perm)
        if len(matrix) and (matrix[0] != signatures(texts[:1], self._shingling, num_perm)[0]).any():
            raise ValueError(
                f"the signatures were not made from {self.column!r} with n-grams of {self.ngram} {self.unit}s; "
                "give sign_minhash the same `column`, `unit` and `ngram`"
            )
        return matrix
