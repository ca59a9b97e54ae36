"""Files of a store: written once, complete when they exist, never edited.

    store.json                                  format and number of partitions
    lock                                        who writes at present
    ledger/<fingerprint>/<partition>/*.parquet  rows that a stage computed             (pipeline.ledger)
    calls/<model>/<partition>/*.parquet         answers of a model                     (pipeline.calls)
    cells/<fingerprint>/<cell>.json             finished cells, with their counts      (pipeline.cell)
    views/<fingerprint>/<cell>-<partition>.parquet   which ledger rows make up an output (pipeline.view)
    datasets/<name>-<cell>/                     shards
    runs/<run>/                                 manifest and report

A path or an fsspec URI names the store. On a local disk a file is written to a temporary name, flushed and renamed; an
object store shows an object only when it is complete. `hash(problem_id)` decides the partition by its leading digits,
so rows in partition order are in `problem_id` order, whatever the number of partitions.
"""

import errno
import json
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.fingerprint import digest_bytes

FORMAT = 1
DEFAULT_PARTITIONS = 16


class Store:
    """Small enough to be pickled into every worker: a URL and the number of partitions."""

    def __init__(self, url: str, n_partitions: int) -> None:
        self.url = url
        self.n_partitions = n_partitions
        self.fs, self.root = fsspec.core.url_to_fs(url)
        self.is_local = "file" in (self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,))

    def __reduce__(self) -> tuple[type["Store"], tuple[str, int]]:
        return Store, (self.url, self.n_partitions)

    @staticmethod
    def open(url: str, n_partitions: int = DEFAULT_PARTITIONS, create: bool = True, or_empty: bool = False) -> "Store":
        """The store at `url`; an existing one keeps the number of partitions it was made with.

        An absent one is made, or (`create=False`) refused, or (`or_empty=True`) taken as an empty one to look at.
        """
        store = Store(_absolute(url), n_partitions)
        found = store.read_json("store.json") if store.exists("store.json") else None
        if found is None and or_empty:
            return store
        if found is None and not create:
            raise StoreError(f"there is no store at {store.url}; `laconic run` makes one, --store names another")
        if found is None:
            found = store._create()
        if found["format"] != FORMAT:
            raise StoreError(f"the store at {store.url} has format {found['format']}, this version reads {FORMAT}")
        store.n_partitions = found["partitions"]
        return store

    def _create(self) -> dict[str, int]:
        """Of two processes that make the same store at once, the first decides on the number of partitions."""
        made = {"format": FORMAT, "partitions": self.n_partitions}
        self.write_bytes("store.json", json.dumps(made).encode(), keep_existing=True)
        return self.read_json("store.json")

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        return self.fs.exists(self.path(name))

    def names(self, folder: str) -> list[str]:
        """Names inside `folder`, sorted; temporary files are not there yet."""
        try:
            found = os.listdir(self.path(folder)) if self.is_local else self._remote_names(folder)  # noqa: PTH208
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith(".tmp-"))

    def _remote_names(self, folder: str) -> list[str]:
        self.fs.invalidate_cache(self.path(folder))
        return [entry.rstrip("/").rsplit("/", 1)[-1] for entry in self.fs.ls(self.path(folder), detail=False)]

    def read_bytes(self, name: str) -> bytes:
        return self.fs.cat_file(self.path(name))

    def write_bytes(self, name: str, data: bytes, keep_existing: bool = False) -> None:
        """Whole or not at all, on a full disk and at a kill alike."""
        try:
            if self.is_local:
                _write_local(Path(self.path(name)), data, keep_existing)
            else:
                self.fs.pipe_file(self.path(name), data)
        except OSError as error:
            raise self.refusal(name, error) from error

    def refusal(self, name: str, error: OSError) -> StoreError:
        """What to tell a user whose disk did not take `name`."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = f"no space left for {self.path(name)}; what was written before is kept: free space and run again"
        else:
            what = f"{self.path(name)} cannot be written ({error.strerror or error}); what was written before is kept"
        return StoreError(what)

    def read_json(self, name: str) -> Any:
        return json.loads(self.read_bytes(name))

    def write_json(self, name: str, value: Any) -> None:
        self.write_bytes(name, json.dumps(value, indent=1, ensure_ascii=False).encode())

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        try:
            source = pa.memory_map(self.path(name)) if self.is_local else pa.BufferReader(self.read_bytes(name))
            # One thread: a store is read by many workers at once, each on its own core.
            return pq.ParquetFile(source).read(columns=columns, use_threads=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(
                f"{self.path(name)} cannot be read ({error}); delete it, its rows will be computed again"
            ) from error

    def write_table(self, name: str, table: pa.Table) -> None:
        self.write_bytes(name, parquet_bytes(table))

    def append_part(self, folder: str, table: pa.Table) -> str:
        """Adds a part whose name sorts after every earlier one, so that of two equal keys the older row wins."""
        data = parquet_bytes(table)
        name = f"{folder}/{time.time_ns():020d}-{digest_bytes(data)[:12]}.parquet"
        self.write_bytes(name, data)
        return name

    def partition_name(self, partition: int) -> str:
        return f"{partition:05d}"

    def partition_of(self, problem_id: str) -> int:
        return int(problem_id[:8], 16) * self.n_partitions >> 32

    def remove(self, name: str) -> None:
        self.fs.rm(self.path(name), recursive=True)


def parquet_bytes(table: pa.Table) -> bytes:
    """zstd-3; no dictionary for texts, which costs 23 % of the CPU time and saves nothing on long ones."""
    long_texts = {"problem", "reasoning", "response", "text"}
    sink = pa.BufferOutputStream()
    names = [field.name for field in table.schema if field.name not in long_texts and not _nested(field.type)]
    pq.write_table(table, sink, compression="zstd", compression_level=3, use_dictionary=names or False)
    return sink.getvalue().to_pybytes()


def _nested(type_: pa.DataType) -> bool:
    return pa.types.is_list(type_) or pa.types.is_struct(type_)


def _absolute(url: str) -> str:
    return url if "://" in url else str(Path(url).absolute())


def _write_local(path: Path, data: bytes, keep_existing: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".tmp-{uuid.uuid4().hex}"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if keep_existing:
            with suppress(FileExistsError):
                os.link(temporary, path)
        else:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
