"""Parquet shards written in one pass: rows in, row groups out, names at the end.

    add(row) ... -> row groups of some 1,000 rows -> data/.train-00000.parquet ...
    close()      -> data/train-00000-of-00003.parquet ...

Memory holds one row group. Group and shard borders depend on the rows alone, and nothing of time or place enters a
file, so the same rows give the same bytes (under one version of pyarrow, which signs its files). Settings by
measurement on long traces: zstd level 3, and dictionaries only where values repeat, which saves a quarter of the time.
"""

from hashlib import file_digest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.release import ReleaseFormat, leaves

GROUP_ROWS = 1000
GROUP_CHARACTERS = 32 << 20
"""A row group of very long traces ends earlier, so that readers need no more memory than for ordinary ones."""


class ShardFiles:
    """`max_bytes` counts uncompressed Arrow bytes; a shard passes it only if a single row group does.

    `config` is the folder of the files, which is how the Hub tells the configurations of a data set apart.
    """

    def __init__(self, folder: Path, split: str, form: ReleaseFormat, max_bytes: int, config: str = "data") -> None:
        self._folder, self._split, self._form, self._max_bytes = folder, split, form, max_bytes
        self._config = config
        self._group_characters = min(GROUP_CHARACTERS, max_bytes // 2)
        self._dictionary = [path for path in leaves(form.schema) if path not in form.texts]
        self._rows: list[dict[str, Any]] = []
        self._n_characters = 0
        self._writer: pq.ParquetWriter | None = None
        self._n_bytes = 0
        self._rows_of_shards: list[int] = []

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        self._n_characters += _n_characters(row)
        if len(self._rows) == GROUP_ROWS or self._n_characters >= self._group_characters:
            self._write_group()

    def close(self) -> list[dict[str, Any]]:
        """Path, rows, bytes and SHA-256 of each shard. Without rows there is one shard, which holds the schema."""
        if self._rows or not self._rows_of_shards:
            self._write_group()
        self._close_shard()
        n_shards = len(self._rows_of_shards)
        return [self._named(shard, n_shards, n_rows) for shard, n_rows in enumerate(self._rows_of_shards)]

    def _write_group(self) -> None:
        table = pa.Table.from_pylist(self._rows, schema=self._form.schema)
        if self._writer and self._n_bytes + table.nbytes > self._max_bytes:
            self._close_shard()
        if self._writer is None:
            self._writer = self._open_shard()
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self._rows_of_shards[-1] += table.num_rows
        self._n_bytes += table.nbytes
        self._rows, self._n_characters = [], 0

    def _open_shard(self) -> pq.ParquetWriter:
        path = self._unnamed(len(self._rows_of_shards))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows_of_shards.append(0)
        self._n_bytes = 0
        return pq.ParquetWriter(
            path, self._form.schema, compression="zstd", compression_level=3, use_dictionary=self._dictionary
        )

    def _close_shard(self) -> None:
        if self._writer:
            self._writer.close()
        self._writer = None

    def _unnamed(self, shard: int) -> Path:
        return self._folder / self._config / f".{self._split}-{shard:05d}.parquet"

    def _named(self, shard: int, n_shards: int, n_rows: int) -> dict[str, Any]:
        name = f"{self._config}/{self._split}-{shard:05d}-of-{n_shards:05d}.parquet"
        path = self._unnamed(shard).rename(self._folder / name)
        with path.open("rb") as file:
            sha256 = file_digest(file, "sha256").hexdigest()
        return {"path": name, "n_rows": n_rows, "n_bytes": path.stat().st_size, "sha256": sha256}


def _n_characters(value: Any) -> int:
    """Of all texts in a row, those of turns included."""
    if isinstance(value, str):
        return len(value)
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(_n_characters, values))
