"""Semantic duplicates: texts whose sentence embeddings are close, whatever their words (docs/methods.md).

    `embedding` -> k-means clusters -> exact cosine >= threshold within them -> connected components -> the best stays

After SemDeDup (Abbas et al. 2023, arXiv 2303.09540): clusters make the comparison of all pairs affordable. Here each
unit is compared in its `num_probes` nearest clusters, since a pair may stand astride a border, and the unit that stays
is the best by source, not the one farthest from the centre. Up to `cluster_size` units are one cluster: all pairs.

Vectors are put on a grid of 1/4096 and multiplied as whole numbers, which float64 holds exactly: clusters, similarities
and so the marks are the same on every machine and with every number of threads. The grid errs by less than .001.

Blind spots: an embedding sees the topic more than the task. Problems of one template are near, so the number guard is
on; one exchanged word ("largest" for "smallest") changes a vector little and passes it.
"""

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from pipeline.seeds import derive_seed
from pipeline.stage import Table
from schemas.columns import EMBEDDING, EMBEDDING_MODEL
from stages import minhash, normal_form
from stages.duplicates import MARKS, Comparison, arrow_texts
from stages.minhash import U64, number_guards, scope_hashes

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

GRID = 4096
_N_ROUNDS = 10
_BLOCK_ROWS = 1024  # 1,024 x 1,000 similarities of 8 bytes are 8 MB


class DedupSemantic(Comparison, Table):  # type: ignore[override]
    version = 2
    writes = MARKS

    threshold: float = Field(default=0.9, gt=0, le=1)
    """Least cosine of two duplicates. It depends on the model: look at pairs before you trust it."""
    cluster_size: int = Field(default=2000, ge=2)
    """Units per cluster on average; time and recall grow with it."""
    num_probes: int = Field(default=2, ge=1)
    """Nearest clusters in which a unit is compared."""
    numbers: Literal["exact", "ignore"] = "exact"
    """`exact`: texts whose multisets of numbers differ are no duplicates. Set it to `ignore` for long traces."""
    seed: int = 0
    """Chooses the first centres of the clusters."""

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*super().reads, EMBEDDING.name, EMBEDDING_MODEL.name)

    def code_identity(self) -> dict[str, str]:
        return {"words": str(normal_form.VERSION), "minhash": str(minhash.VERSION)}

    def run(self, rows: pl.DataFrame) -> pl.DataFrame:
        units = self.units(rows).drop_nulls(EMBEDDING.name)
        _refuse_mixed_models(units)
        vectors, groups = grid_vectors(units[EMBEDDING.name]), self._groups(units)
        parents = list(range(units.height))
        for cluster in clusters(vectors, self.cluster_size, self.num_probes, self.seed):
            for left, right in near_pairs(vectors, groups, cluster, self.threshold):
                _unite(parents, left, right)
        ids, found = units[self.id_column].to_list(), {}
        for unit, unit_id in enumerate(ids):
            if (best := _root(parents, unit)) != unit:
                cosine = float(vectors[unit] @ vectors[best]) / GRID**2
                found[unit_id] = (ids[best], round(min(cosine, 1.0), 4))
        return self.marks(rows, found)

    def _groups(self, units: pl.DataFrame) -> U64:
        """Only units of one group are compared: the same numbers, and for traces the same problem."""
        groups = np.zeros(units.height, dtype=np.uint64)
        if self.scope == "traces":
            groups += scope_hashes(self.scopes(units))
        if self.numbers == "exact":
            groups += number_guards(arrow_texts(units[self.column]))
        return groups


def grid_vectors(embeddings: pl.Series) -> F64:
    """Unit vectors in steps of 1 / GRID. Raises ValueError where they differ in length."""
    sizes = embeddings.list.len().unique()
    if sizes.len() > 1:
        raise ValueError(f"embeddings of {sizes.sort().to_list()} dimensions cannot be compared; use one embedder")
    n_dimensions = int(sizes[0]) if sizes.len() else 1
    return _on_grid(embeddings.explode().to_numpy().reshape(-1, n_dimensions).astype(np.float64))


def clusters(vectors: F64, cluster_size: int, num_probes: int, seed: int) -> Iterator[I64]:
    """Rows of each cluster, ascending; a row stands in `num_probes` of them."""
    n_clusters = math.ceil(len(vectors) / cluster_size)
    if n_clusters < 2:
        yield np.arange(len(vectors))
        return
    centres = _centres(vectors, n_clusters, seed)
    nearest = np.concatenate([_nearest(block, centres, num_probes) for block in _blocks(vectors)])
    for cluster in range(n_clusters):
        yield np.flatnonzero((nearest == cluster).any(axis=1))


def near_pairs(vectors: F64, groups: U64, cluster: I64, threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs of one group at least as similar as `threshold`, lower row first."""
    least = threshold * GRID**2
    for start in range(0, len(cluster), _BLOCK_ROWS):
        block = cluster[start : start + _BLOCK_ROWS]
        is_near = vectors[block] @ vectors[cluster].T >= least
        is_near &= groups[block][:, None] == groups[cluster][None, :]
        left, right = np.nonzero(is_near)
        yield from ((int(a), int(b)) for a, b in zip(block[left], cluster[right], strict=True) if a < b)


def _on_grid(vectors: F64) -> F64:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.rint(vectors / np.where(lengths == 0, 1, lengths) * GRID)


def _centres(vectors: F64, n_clusters: int, seed: int) -> F64:
    """Spherical k-means (Dhillon and Modha 2001) from rows drawn without repeats; a cluster that runs empty stays."""
    draw = np.random.Generator(np.random.PCG64(derive_seed(seed, "dedup_semantic", len(vectors))))
    centres = vectors[np.sort(draw.choice(len(vectors), n_clusters, replace=False))]
    for _ in range(_N_ROUNDS):
        sums = np.zeros_like(centres)
        for block in _blocks(vectors):
            np.add.at(sums, _nearest(block, centres, 1)[:, 0], block)
        centres = np.where(sums.any(axis=1, keepdims=True), _on_grid(sums), centres)
    return centres


def _nearest(vectors: F64, centres: F64, n: int) -> I64:
    """The n nearest centres of each row, best first; the lower number wins a tie."""
    return np.argsort(-(vectors @ centres.T), axis=1, kind="stable")[:, :n]


def _blocks(vectors: F64) -> Iterator[F64]:
    return (vectors[start : start + _BLOCK_ROWS] for start in range(0, len(vectors), _BLOCK_ROWS))


def _unite(parents: list[int], left: int, right: int) -> None:
    low, high = sorted((_root(parents, left), _root(parents, right)))
    parents[high] = low


def _root(parents: list[int], unit: int) -> int:
    while parents[unit] != unit:
        parents[unit] = unit = parents[parents[unit]]
    return unit


def _refuse_mixed_models(units: pl.DataFrame) -> None:
    models = units[EMBEDDING_MODEL.name].unique().sort().to_list()
    if len(models) > 1:
        raise ValueError(f"embeddings of {' and '.join(map(str, models))} cannot be compared; use one embedder")
