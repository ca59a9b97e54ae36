"""The output of a node on one partition, as references: no text is copied from node to node.

A view has one line per output row: `parent`, the row of the node's input it stems from, and `key` and `child`, its line
in the node's ledger. A row that a shortener merely lets pass has no key. A failed row stands in the view too, marked,
and is invisible below. The input of a node is the concatenation of its parents' rows. Columns that the node did not
write are found by following `parent` upwards, so reading three small columns of a long chain reads three small columns.
"""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import lru_cache

import polars as pl
import pyarrow as pa

from pipeline.ledger import CHILD, KEY, Ledger
from pipeline.store import Store

SCHEMA = pa.schema(
    [
        pa.field("parent", pa.int32()),  # -1: from outside
        pa.field("key", pa.binary(16)),
        pa.field("child", pa.int32()),
        pa.field("failed", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class ViewHead:
    """Where the columns of a view come from."""

    fingerprint: str
    partition: int
    writes: pa.Schema
    parents: tuple[str, ...]
    """Names of the views that make up the input, in order."""
    fresh: tuple[str, ...] = ()
    """Those of `writes` that the input does not have; null for a row that is let pass."""


def write_view(store: Store, name: str, head: ViewHead, lines: pa.Table) -> None:
    texts = {"fingerprint": head.fingerprint, "partition": head.partition, "parents": head.parents, "fresh": head.fresh}
    metadata = {"head": json.dumps(texts), "writes": b64encode(head.writes.serialize().to_pybytes())}
    store.write_table(name, lines.replace_schema_metadata(metadata))


@lru_cache(maxsize=512)
def _load(store_url: str, n_partitions: int, name: str) -> tuple[ViewHead, pl.DataFrame]:
    table = Store(store_url, n_partitions).read_table(name)
    texts = json.loads(table.schema.metadata[b"head"])
    writes = pa.ipc.read_schema(pa.py_buffer(b64decode(table.schema.metadata[b"writes"])))
    head = ViewHead(texts["fingerprint"], texts["partition"], writes, tuple(texts["parents"]), tuple(texts["fresh"]))
    return head, pl.DataFrame(table)


def load_view(store: Store, name: str) -> tuple[ViewHead, pl.DataFrame]:
    """Head and lines of a view. Views never change, so they are cached."""
    return _load(store.url, store.n_partitions, name)


def read_view(store: Store, name: str, columns: list[str]) -> pl.DataFrame:
    """`columns` of the rows that did not fail, in the view's order."""
    head, lines = load_view(store, name)
    kept = lines.filter(~pl.col("failed"))
    own = [column for column in columns if column in head.writes.names]
    passed = bool(kept["key"].null_count())
    above = [column for column in columns if column not in (head.fresh if passed else head.writes.names)]
    frame = pl.DataFrame({"_row": pl.int_range(kept.height, eager=True)})
    if above:
        parents = read_input(store, head.parents, above)
        frame = frame.hstack(parents[kept["parent"].to_numpy()])
    if own:
        frame = _add_own(store, head, kept, frame, own, passed)
    return frame.select(columns)


def _add_own(
    store: Store, head: ViewHead, kept: pl.DataFrame, frame: pl.DataFrame, own: list[str], passed: bool
) -> pl.DataFrame:
    """Columns from the node's own ledger; a row that was let pass keeps what it had."""
    places = kept.select(pl.col("key").alias(KEY), pl.col("child").alias(CHILD))
    ledger = Ledger(store, head.fingerprint, head.partition, head.writes)
    values = places.join(ledger.read(own), on=[KEY, CHILD], how="left", maintain_order="left").select(own)
    if not passed:
        return frame.hstack(values)
    is_new = kept["key"].is_not_null()
    merged = {name: values[name].zip_with(is_new, frame[name]) for name in own if name not in head.fresh}
    return frame.with_columns(values).with_columns(**merged)


def read_input(store: Store, parents: tuple[str, ...], columns: list[str]) -> pl.DataFrame:
    """`columns` of the concatenated parents."""
    return pl.concat([read_view(store, name, columns) for name in parents])


def failures(store: Store, name: str) -> pl.DataFrame:
    """`parent`, `reason` of every failed unit of a view; of a failed problem, the first row stands for all."""
    head, lines = load_view(store, name)
    failed = lines.filter(pl.col("failed") & (pl.col("child") <= 0)).select("parent", pl.col("key").alias(KEY))
    if failed.is_empty():
        return pl.DataFrame(schema={"parent": pl.Int32, "reason": pl.String})
    reasons = Ledger(store, head.fingerprint, head.partition, head.writes).read(["_error"])
    return failed.join(reasons, on=KEY, how="left", maintain_order="left").select(
        "parent", pl.col("_error").alias("reason")
    )


def new_lines(parent: list[int], key: list[bytes | None], child: list[int], failed: list[bool]) -> pa.Table:
    return pa.table({"parent": parent, "key": key, "child": child, "failed": failed}, schema=SCHEMA)
