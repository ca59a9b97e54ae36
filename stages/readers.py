"""Where records come from: files (one, a folder or a glob-free object-store prefix) and data sets on the Hub.

    location ── open_location ──> Files | HubDataset ── records ──> (place, record | why it is none)

A record is a plain dict; its place ("row 17", or "part-2.jsonl row 17") is what a user finds it by: rows count from 1
within a file, and for JSON Lines a row is a line. Everything is streamed; the most that is held is one Parquet batch.
A record that cannot be read is given as an error and reading goes on; a file that cannot be read raises.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from schemas.problem import stable_id

Record = dict[str, Any]
Placed = tuple[str, Record | ValueError]

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".csv")
_ROWS_PER_BATCH = 256  # 256 long traces of 100 KB are 25 MB
_MARKS_OF_CONTENT = ("ETag", "etag", "md5Hash", "crc32c", "content_md5")
_MARKS_OF_TIME = ("mtime", "LastModified", "last_modified", "updated", "created")


def open_location(path: str, config: str = "", split: str = "", revision: str = "") -> "Files | HubDataset":
    """Opens nothing yet; raises ValueError for a place that can hold no records."""
    name = path.removeprefix("hf://").removeprefix("datasets/").strip("/")
    if path.startswith("hf://") and name.count("/") <= 1:
        return HubDataset(name, config, split or "train", revision)
    return Files(path)


@dataclass(frozen=True)
class Files:
    """One file or all files of a folder, in the order of their names, on any file system that fsspec knows."""

    path: str

    @property
    def name(self) -> str:
        """The file's or folder's own name without suffixes: the default name of the data set."""
        return PurePosixPath(self.path.rstrip("/")).name.split(".")[0]

    @cached_property
    def _found(self) -> tuple[Any, list[str]]:
        try:
            system, root = fsspec.core.url_to_fs(self.path)
        except (ImportError, ValueError) as error:
            raise ValueError(f"{self.path}: {error}") from error
        if not system.exists(root):
            raise ValueError(f"{self.path} does not exist; check the path, or give `hf://org/name` for the Hub")
        if not system.isdir(root):
            if not root.endswith(SUFFIXES):
                raise ValueError(f"{self.path} is of no known format; give one of {', '.join(SUFFIXES)}")
            return system, [root]
        files = [file for file in sorted(system.find(root)) if file.endswith(SUFFIXES)]
        if not files:
            raise ValueError(f"{self.path} holds no file that ends in {', '.join(SUFFIXES)}")
        return system, files

    def digest(self) -> str:
        """Of the bytes for local files; of entity tags, or size and time, for remote ones."""
        system, files = self._found
        local = "file" in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,))
        return stable_id(*(_digest_bytes(file) if local else _digest_remote(system.info(file)) for file in files))

    def column_names(self) -> list[str]:
        """Columns that the format itself declares (Parquet, CSV); records may hold others."""
        system, files = self._found
        with system.open(files[0], "rb") as handle:
            if files[0].endswith(".parquet"):
                return list(pq.read_schema(handle).names)
            if files[0].endswith(".csv"):
                with _csv_text(handle) as text:
                    return next(csv.reader(text), [])
        return []

    def records(self) -> Iterator[Placed]:
        system, files = self._found
        for file in files:
            prefix = "" if len(files) == 1 else f"{PurePosixPath(file).name} "
            with system.open(file, "rb") as handle:
                for row, record in _read(file, handle):
                    yield f"{prefix}row {row}", record


@dataclass(frozen=True)
class HubDataset:
    """A data set on the Hub, streamed, pinned to the commit that its revision names now."""

    repository: str
    config: str
    split: str
    revision: str

    @property
    def name(self) -> str:
        return self.repository

    @cached_property
    def commit(self) -> str:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HTTPError

        try:
            sha = HfApi().dataset_info(self.repository, revision=self.revision or None).sha
        except (OSError, ValueError, HTTPError) as error:
            raise ValueError(self._refusal(error)) from error
        return sha or self.revision

    def digest(self) -> str:
        return stable_id(self.repository, self.config, self.split, self.commit)

    def column_names(self) -> list[str]:
        return list(self._stream().column_names or [])

    def records(self) -> Iterator[Placed]:
        for row, record in enumerate(self._stream(), start=1):
            yield f"row {row}", dict(record)

    def _stream(self) -> Any:
        commit = self.commit
        from datasets import load_dataset

        try:
            return load_dataset(
                self.repository, self.config or None, split=self.split, revision=commit or None, streaming=True
            )
        except (OSError, ValueError) as error:
            raise ValueError(self._refusal(error)) from error

    def _refusal(self, error: Exception) -> str:
        reason = str(error).strip().split("\n")[0].rstrip(".")
        return (
            f"hf://{self.repository} cannot be read from the Hub ({reason}); check the name, `config`, `split`, "
            "`revision` and the network, or give a local file"
        )


def _digest_bytes(file: str) -> str:
    hasher = xxhash.xxh3_128()
    with open(file, "rb") as handle:  # noqa: PTH123 - the path comes from fsspec as text
        while chunk := handle.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def _digest_remote(info: dict[str, Any]) -> str:
    """Raises ValueError where the store tells nothing that changes with the content."""
    for mark in (*_MARKS_OF_CONTENT, *_MARKS_OF_TIME):
        if info.get(mark):
            return stable_id(mark, str(info[mark]), info.get("size"))
    raise ValueError(f"{info.get('name')}: the store gives neither entity tag nor time of change; copy the file first")


def _read(file: str, handle: IO[bytes]) -> Iterator[tuple[int, Record | ValueError]]:
    if file.endswith(".parquet"):
        return _read_parquet(handle)
    if file.endswith(".csv"):
        return _read_csv(handle)
    if file.endswith(".gz"):
        return _read_jsonl(gzip.open(handle))
    if file.endswith(".zst"):
        return _read_jsonl(io.BufferedReader(pa.CompressedInputStream(handle, "zstd")))
    return _read_jsonl(handle)


def _read_parquet(handle: IO[bytes]) -> Iterator[tuple[int, Record | ValueError]]:
    row = 0
    for batch in pq.ParquetFile(handle).iter_batches(_ROWS_PER_BATCH):
        try:
            records: Iterable[Record | ValueError] = batch.to_pylist()
        except UnicodeDecodeError:
            records = map(_one_row, (batch.slice(i, 1) for i in range(batch.num_rows)))
        for record in records:
            row += 1
            yield row, record


def _one_row(batch: pa.RecordBatch) -> Record | ValueError:
    try:
        return batch.to_pylist()[0]
    except UnicodeDecodeError as error:
        return ValueError(f"not valid UTF-8 ({error})")


def _csv_text(handle: IO[bytes]) -> io.TextIOWrapper:
    """Bytes that do not decode become lone surrogates, which make their row a bad one later."""
    return io.TextIOWrapper(handle, "utf-8-sig", "surrogateescape", newline="")


def _read_csv(handle: IO[bytes]) -> Iterator[tuple[int, Record | ValueError]]:
    csv.field_size_limit(1 << 30)  # the default of 128 KB refuses long traces
    with _csv_text(handle) as text:
        reader = csv.DictReader(text)
        width = len(reader.fieldnames or ())
        for row, record in enumerate(reader, start=1):
            n_fields = width + len(record.get(None) or ()) - sum(value is None for value in record.values())
            yield row, record if n_fields == width else ValueError(f"{n_fields} fields where the header has {width}")


def _read_jsonl(lines: Iterable[bytes]) -> Iterator[tuple[int, Record | ValueError]]:
    for row, line in enumerate(lines, start=1):
        if line.strip():
            yield row, _parse_line(line)


def _parse_line(line: bytes) -> Record | ValueError:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return ValueError(f"not valid UTF-8 (byte {error.start} of the line)")
    except (ValueError, RecursionError) as error:
        return ValueError(f"not JSON ({error})")
    return record if isinstance(record, dict) else ValueError(f"a JSON {type(record).__name__}, not an object")
