"""What an embedding model's cosine says about labelled pairs: where to set the threshold of `dedup_semantic`.

    LACONIC_DATA/near_duplicate_pairs.parquet -> both texts embedded -> cosine -> quantiles by kind of pair
                                                                          └──> precision and recall by threshold

    python -m benchmarks.semantic_pairs --model FOLDER [--pairs-per-kind 200]

Recall counts the pairs that are one problem in other words (rephrased by a model, LaTeX variants); precision counts
against them the pairs that are two problems though they look alike (one number changed, a premise removed, turned
round) and pairs taken at random. `guarded` leaves out pairs whose multisets of numbers differ, as the stage does.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from benchmarks.dedup_pairs import labelled_pairs
from benchmarks.machine import print_result
from stages.embedders import EmbedderSpec
from stages.minhash import number_guards

THRESHOLDS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99)
QUANTILES = (0.05, 0.5, 0.95)


def cosines(texts_a: list[str], texts_b: list[str], spec: EmbedderSpec) -> npt.NDArray[np.float32]:
    embedder = spec.build()
    return (embedder.embed(texts_a) * embedder.embed(texts_b)).sum(axis=1)


def sampled(pairs: pl.DataFrame, n_per_kind: int) -> pl.DataFrame:
    """The first pairs of each kind, so that no kind outweighs the others."""
    return pl.concat([group.head(n_per_kind) for _, group in pairs.group_by("kind", maintain_order=True)])


def same_numbers(pairs: pl.DataFrame) -> npt.NDArray[np.bool_]:
    guards = [number_guards(pa.array(pairs[name], pa.large_string())) for name in ("text_a", "text_b")]
    return guards[0] == guards[1]


def by_threshold(pairs: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """Precision and recall over all labelled pairs, with and without the number guard."""
    known, figures = pairs.drop_nulls("same_problem"), {}
    n_same = int(known["same_problem"].sum())
    for threshold in THRESHOLDS:
        for name, found in (
            ("plain", known.filter(pl.col("cosine") >= threshold)),
            ("guarded", known.filter((pl.col("cosine") >= threshold) & pl.col("same_numbers"))),
        ):
            n_right = int(found["same_problem"].sum())
            figures.setdefault(name, {})[str(threshold)] = {
                "precision": round(n_right / found.height, 3) if found.height else None,
                "recall": round(n_right / n_same, 3),
            }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="folder with a saved sentence-embedding model, or a Hub id")
    parser.add_argument("--pairs-per-kind", type=int, default=200)
    arguments = parser.parse_args()
    spec = EmbedderSpec(model=arguments.model)
    if problems := spec.problems():
        raise SystemExit(problems[0])
    pairs = sampled(labelled_pairs(), arguments.pairs_per_kind)
    pairs = pairs.with_columns(
        pl.Series("cosine", cosines(pairs["text_a"].to_list(), pairs["text_b"].to_list(), spec)),
        pl.Series("same_numbers", same_numbers(pairs)),
    )
    kinds: dict[str, Any] = {}
    print(f"{'kind':<26}{'pairs':>6}{'same':>6}{'p05':>8}{'median':>8}{'p95':>8}{'same numbers':>14}")
    for (kind,), group in pairs.group_by("kind", maintain_order=True):
        low, middle, high = (float(group["cosine"].quantile(q) or 0) for q in QUANTILES)
        kinds[str(kind)] = {
            "pairs": group.height,
            "p05": round(low, 3),
            "median": round(middle, 3),
            "p95": round(high, 3),
        }
        n_same, share = group["same_problem"].sum(), group["same_numbers"].mean()
        print(f"{kind:<26}{group.height:>6}{n_same:>6}{low:>8.3f}{middle:>8.3f}{high:>8.3f}{share:>14.2f}")
    figures = by_threshold(pairs)
    print(f"{'threshold':<12}" + "".join(f"{name + ' prec.':>16}{'recall':>8}" for name in figures))
    for threshold in map(str, THRESHOLDS):
        cells = (figures[name][threshold] for name in figures)
        print(f"{threshold:<12}" + "".join(f"{cell['precision'] or 0:>16.3f}{cell['recall']:>8.3f}" for cell in cells))
    print_result({"model": Path(arguments.model).name, "kinds": kinds, "thresholds": figures}, "transformers", "torch")


if __name__ == "__main__":
    main()
