"""The ledger: rows per second and bytes of overhead for 100,000 traces of 8 KB, written and read back.

    python -m benchmarks.store [--rows 100000] [--kb 8] [--data FILE]

The peer is one plain Parquet file per partition with the same texts and the same compression, written and read by
pyarrow: what the ledger costs above it is keys, costs, many parts and atomic names. CPU seconds, since disks differ.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.machine import print_result
from pipeline.ledger import Cost, Ledger
from pipeline.store import Store

WRITES = pa.schema([pa.field("reasoning", pa.string()), pa.field("n_reasoning_tokens", pa.int32())])
N_PARTITIONS = 16


def texts(n: int, kb: int, data: str | None) -> list[str]:
    """Traces cut to size: from a file with a `response` column, else Zipf-distributed words."""
    if data:
        pool = pq.read_table(data, columns=["response"])["response"].to_pylist()
        long = "\n\n".join(text for text in pool if text)
    else:
        rng = np.random.default_rng(7)
        vocabulary = np.array(["".join(chr(97 + c) for c in rng.integers(0, 26, 2 + i % 9)) for i in range(20_000)])
        words = vocabulary[np.minimum(rng.zipf(1.3, 4_000_000), 20_000) - 1]
        long = " ".join(words)
    size = kb * 1024
    starts = np.random.default_rng(1).integers(0, len(long) - size, n)
    return [long[start : start + size] for start in starts]


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def write_ledger(store: Store, rows: list[str]) -> None:
    writers = [Ledger(store, "bench", partition, WRITES).writer() for partition in range(N_PARTITIONS)]
    for i, text in enumerate(rows):
        key = blake2b(str(i).encode(), digest_size=16).digest()
        writers[i % N_PARTITIONS].add(key, [{"reasoning": text, "n_reasoning_tokens": len(text)}], Cost())
    for writer in writers:
        writer.flush()


def read_ledger(store: Store) -> int:
    ledgers = (Ledger(store, "bench", partition, WRITES) for partition in range(N_PARTITIONS))
    return sum(ledger.read(["reasoning", "n_reasoning_tokens"]).height for ledger in ledgers)


def write_plain(folder: Path, rows: list[str]) -> None:
    for partition in range(N_PARTITIONS):
        part = rows[partition::N_PARTITIONS]
        table = pa.table({"reasoning": part, "n_reasoning_tokens": [len(text) for text in part]}, schema=WRITES)
        pq.write_table(
            table, folder / f"{partition}.parquet", compression="zstd", compression_level=3, use_dictionary=False
        )


def read_plain(folder: Path) -> int:
    return sum(
        pq.read_table(folder / f"{partition}.parquet", use_threads=False).num_rows for partition in range(N_PARTITIONS)
    )


def n_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.parquet"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kb", type=int, default=8)
    parser.add_argument("--data", help="a Parquet file with a `response` column to take texts from")
    arguments = parser.parse_args()
    rows = texts(arguments.rows, arguments.kb, arguments.data)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        plain.mkdir()
        store = Store.open(f"{folder}/store", N_PARTITIONS)
        seconds = {
            "ledger_write": cpu_seconds(lambda: write_ledger(store, rows)),
            "plain_write": cpu_seconds(lambda: write_plain(plain, rows)),
            "ledger_read": cpu_seconds(lambda: read_ledger(store)),
            "plain_read": cpu_seconds(lambda: read_plain(plain)),
        }
        overhead = (n_bytes(Path(folder) / "store") - n_bytes(plain)) / len(rows)
    rates = {name: round(len(rows) / taken) for name, taken in seconds.items()}
    print(f"{'':<14}{'rows / CPU s':>14}")
    for name, rate in rates.items():
        print(f"{name:<14}{rate:>14,}")
    print(f"overhead of the ledger: {overhead:.0f} bytes a row")
    figures = {"rows_per_cpu_s": rates, "overhead_bytes_per_row": round(overhead, 1), "rows": len(rows)}
    ratios = {
        "write_vs_plain": round(seconds["plain_write"] / seconds["ledger_write"], 2),
        "read_vs_plain": round(seconds["plain_read"] / seconds["ledger_read"], 2),
    }
    print_result(figures | ratios, "pyarrow", "polars")


if __name__ == "__main__":
    main()
