"""Deduplication against its peers: signatures, pair quality, clustering, end to end, and what a million problems cost.

    python -m benchmarks.dedup [--million] [--five-million] [--rounds 5]

CPU time of this process, one thread, methods in turn within each round; a ratio is the median over rounds of the
ratios of one round. `signatures`: 120 made-up traces of 2,000 words, text to signatures; ours normalises on the way,
the peers split at white space. `quality`: 1,500 pairs with a Jaccard similarity of word 5-grams from 1 to .2, and 1,872
single texts; what `dedup_minhash` marks against the exact similarity of every pair. `clusters`: rows of 16 band hashes,
5 % of them duplicates, to components. `end to end`: 600 traces to their duplicates, those of datasketch unverified.
"""

import os

for name in ("RAYON", "POLARS_MAX", "OMP", "NUMBA", "OPENBLAS", "MKL"):
    os.environ[f"{name}_NUM_THREADS" if name != "POLARS_MAX" else "POLARS_MAX_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import argparse  # noqa: E402
import gc  # noqa: E402
import resource  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import polars as pl  # noqa: E402
import pyarrow as pa  # noqa: E402

from benchmarks.decontaminate import decontaminate_vs_set  # noqa: E402
from benchmarks.dedup_peers import NGRAM, NUM_BANDS, NUM_PERM, find_datasketch, peers  # noqa: E402
from benchmarks.dedup_texts import hard_pairs, problems, traces  # noqa: E402
from benchmarks.machine import print_result  # noqa: E402
from stages.dedup_minhash import DedupMinhash  # noqa: E402
from stages.minhash import Shingling, components, signatures  # noqa: E402
from stages.normal_form import words  # noqa: E402

U64 = npt.NDArray[np.uint64]
N_SIGNED, N_END_TO_END = 120, 600
SHINGLING = Shingling(NGRAM)


def cpu_rounds(methods: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each method in each round, in turn; each runs once before, to warm up."""
    for method in methods.values():
        method()
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            gc.collect()
            started = time.process_time()
            method()
            seconds[name].append(time.process_time() - started)
    return seconds


def ratio(seconds: dict[str, list[float]], slow: str, fast: str) -> float:
    return round(median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)), 2)


def measure_signatures(rounds: int) -> dict[str, float]:
    """Prints the table; returns ratios, each peer's time over ours."""
    texts = traces(N_SIGNED)
    column, n_bytes = pa.array(texts), sum(len(text) for text in texts)
    methods: dict[str, Callable[[], Any]] = {"laconic": lambda: signatures(column, SHINGLING, NUM_PERM)}
    for name, sign in peers().items():
        methods[name] = lambda sign=sign: sign(texts)
    seconds = cpu_rounds(methods, rounds)
    print(
        f"signatures, {N_SIGNED} traces of {n_bytes / N_SIGNED / 1000:.1f} KB   docs/s     MB/s  x datasketch  ours x"
    )
    for name, times in seconds.items():
        best = median(times)
        print(
            f"  {name:<40}{N_SIGNED / best:>9,.0f}{n_bytes / best / 1e6:>9.1f}"
            f"{ratio(seconds, 'datasketch', name):>14}{ratio(seconds, name, 'laconic'):>8}"
        )
    return {name: ratio(seconds, name, "laconic") for name in methods if name != "laconic"}


def table_of(texts: list[str], minhash: npt.NDArray[np.uint32]) -> pl.DataFrame:
    """One problem per text, in order, with its signature."""
    stored = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4 * minhash.shape[1]), len(texts), [None, pa.py_buffer(minhash)]
    ).cast(pa.large_binary())
    ids = pl.Series([f"{number:08d}" for number in range(len(texts))])
    return pl.DataFrame({"problem_id": ids, "problem": texts, "minhash": pl.from_arrow(stored)})


def marks_of(texts: list[str]) -> pl.DataFrame:
    """Text to marks, as the two stages do it on a table."""
    rows = table_of(texts, signatures(pa.array(texts, pa.large_string()), SHINGLING, NUM_PERM))
    return rows.select("problem_id").with_columns(DedupMinhash(ngram=NGRAM, numbers="ignore").run(rows))


def measure_quality(n_pairs: int = 1500, n_singles: int = 1872, n_words: int = 400) -> tuple[float, float]:
    """Precision and recall over pairs at Jaccard .8."""
    texts = hard_pairs(n_pairs, n_singles, n_words)
    sets = [{" ".join(run) for run in zip(*(words(t)[i:] for i in range(NGRAM)), strict=False)} for t in texts]
    true = {
        (2 * i, 2 * i + 1)
        for i in range(n_pairs)
        if len(sets[2 * i] & sets[2 * i + 1]) >= 0.8 * len(sets[2 * i] | sets[2 * i + 1])
    }
    marked = marks_of(texts).drop_nulls("duplicate_of").select("duplicate_of", "problem_id").iter_rows()
    found = {(int(best), int(own)) for best, own in marked}
    precision, recall = len(found & true) / max(len(found), 1), len(found & true) / len(true)
    print(f"quality: {len(texts):,} texts, {len(true)} pairs at .8 of {n_pairs}; found {len(found)}")
    print(f"  precision {precision:.4f}, recall {recall:.4f}")
    return round(precision, 4), round(recall, 4)


def band_matrix(n: int, seed: int = 5) -> U64:
    """16 hashes per row; 5 % of the rows share 1 to 16 of theirs with an earlier row."""
    draw = np.random.default_rng(seed)
    bands = draw.integers(0, 2**64, size=(NUM_BANDS, n), dtype=np.uint64)
    copies = draw.choice(np.arange(1, n), n // 20, replace=False)
    originals = (copies * draw.random(copies.size)).astype(np.int64)
    for band in bands:
        shared = draw.random(copies.size) < 0.5
        band[copies[shared]] = band[originals[shared]]
    return bands


def cluster_polars(bands: U64) -> npt.NDArray[np.int64]:
    """polars finds the rows that share a hash; scipy makes components of the edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, edges = bands.shape[1], []
    row = pl.int_range(pl.len(), dtype=pl.UInt32).alias("row")
    for band in bands:
        shared = pl.DataFrame({"hash": band}).with_columns(row).filter(pl.col("hash").is_duplicated())
        edges.append(shared.select("row", pl.col("row").first().over("hash").alias("first")))
    joined = pl.concat(edges)
    links = coo_array((np.ones(joined.height, dtype=np.int8), (joined["row"], joined["first"])), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1])


def cluster_ours(bands: U64) -> npt.NDArray[np.int64]:
    return components(iter(bands), bands.shape[1])


def measure_clusters(n: int, rounds: int) -> tuple[float, float]:
    """Ratio of polars' CPU time to ours, and our bytes per row beyond the band matrix."""
    bands = band_matrix(n)
    ours, theirs = cluster_ours(bands), cluster_polars(bands)
    n_ours, n_theirs = len(np.unique(ours)), len(np.unique(theirs))
    assert n_ours == n_theirs, f"components differ: {n_ours} and {n_theirs}"
    seconds = cpu_rounds({"ours": lambda: cluster_ours(bands), "polars": lambda: cluster_polars(bands)}, rounds)
    n_bytes = float(in_child(f"--memory-of-clusters={n}"))
    print(f"clusters: {n:,} rows x {NUM_BANDS} bands, {n - n_ours:,} duplicates, both alike")
    print(
        f"  ours {median(seconds['ours']):.2f} s, polars {median(seconds['polars']):.2f} s, {n_bytes:.0f} bytes a row"
    )
    return ratio(seconds, "polars", "ours"), round(n_bytes, 1)


def memory_of_clusters(n: int) -> float:
    """Growth of the process's peak resident size over the band matrix, in bytes per row."""
    cluster_ours(band_matrix(1000))
    bands = band_matrix(n)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to the present size
    before = resident("VmRSS")
    cluster_ours(bands)
    return (resident("VmHWM") - before) / n


def resident(name: str) -> int:
    """Bytes; `VmRSS` now or `VmHWM` at its peak."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def in_child(flag: str) -> str:
    """The last line that this program prints with one flag, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.dedup", flag], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def measure_end_to_end(rounds: int) -> float:
    texts = hard_pairs(N_END_TO_END // 20, N_END_TO_END - N_END_TO_END // 10, 2000, seed=4)
    n_exact = marks_of(texts)["duplicate_of"].count()
    methods = {"ours": lambda: marks_of(texts), "datasketch": lambda: find_datasketch(texts)}
    seconds = cpu_rounds(methods, rounds)
    found = ratio(seconds, "datasketch", "ours")
    n_theirs = find_datasketch(texts)
    print(f"end to end: {len(texts)} traces, ours {n_exact} exact, datasketch {n_theirs} candidates: {found}x")
    return found


def cost_of_problems(n: int) -> tuple[float, float]:
    """CPU seconds and peak resident GB of signing and marking n problems, their generation left out."""
    texts = pa.array(problems(n), pa.large_string())
    warm_up = table_of(["a b c"], signatures(pa.array(["a b c"], pa.large_string()), Shingling(3), NUM_PERM))
    DedupMinhash().run(warm_up)
    started = time.process_time()
    minhash = signatures(texts, Shingling(3), NUM_PERM)
    rows = table_of(texts, minhash)
    marks = DedupMinhash().run(rows)
    seconds = time.process_time() - started
    print(f"  {n:,} problems: {marks['duplicate_of'].count():,} marked", file=sys.stderr)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure_million() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for n in (100_000, 1_000_000):
        seconds, gigabytes = map(float, in_child(f"--cost-of-problems={n}").split())
        print(f"{n:,} problems: {seconds:.1f} CPU s, {1e6 * seconds / n:.1f} us each, peak {gigabytes:.2f} GB")
        found |= {f"cpu_s_{n}": round(seconds, 1), f"peak_gb_{n}": round(gigabytes, 2)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--million", action="store_true", help="also dedup of 100,000 and 1,000,000 problems")
    parser.add_argument("--five-million", action="store_true", help="also clusters of 5,000,000 rows")
    parser.add_argument("--memory-of-clusters", type=int, metavar="ROWS", help="this figure only")
    parser.add_argument("--cost-of-problems", type=int, metavar="ROWS", help="this figure only")
    arguments = parser.parse_args()
    if arguments.memory_of_clusters:
        print(memory_of_clusters(arguments.memory_of_clusters))
    elif arguments.cost_of_problems:
        print(*cost_of_problems(arguments.cost_of_problems))
    else:
        measure_all(arguments)


def measure_all(arguments: argparse.Namespace) -> None:
    against = measure_signatures(arguments.rounds)
    precision, recall = measure_quality()
    cluster_vs_polars, bytes_per_doc = measure_clusters(1_000_000, arguments.rounds)
    figures: dict[str, Any] = {
        "signatures_vs_datasketch": against["datasketch"],
        "signatures_vs": against,
        "precision": precision,
        "recall": recall,
        "cluster_vs_polars": cluster_vs_polars,
        "bytes_per_doc": bytes_per_doc,
        "end_to_end_vs_datasketch": measure_end_to_end(arguments.rounds),
        "decontaminate_vs_set": decontaminate_vs_set(),
    }
    if arguments.five_million:
        figures["cluster_vs_polars_5m"], figures["bytes_per_doc_5m"] = measure_clusters(5_000_000, arguments.rounds)
    if arguments.million:
        figures |= measure_million()
    print_result(figures, "datasketch", "polars", "numba", "numpy", *(name for name in against if name != "datasketch"))


if __name__ == "__main__":
    main()
