"""Exact duplicates: equal normal forms (`stages.normal_form`), whatever the case, spacing and LaTeX dress.

    text -> normal form -> 128-bit digest -> the first unit with that digest stands for all others

Texts without words are never duplicates. Digests instead of texts keep memory at some 100 bytes per unit; xxh3 is not
made to resist an attacker, who could only get a problem of his own dropped.
"""

import polars as pl
import xxhash

from pipeline.stage import Table
from stages import normal_form
from stages.duplicates import MARKS, Comparison


class DedupExact(Comparison, Table):  # type: ignore[override]
    version = 1
    reads_if_present = tuple(column.name for column in MARKS)
    writes = MARKS

    def code_identity(self) -> dict[str, str]:
        return {"words": str(normal_form.VERSION)}

    def run(self, rows: pl.DataFrame) -> pl.DataFrame:
        units = self.units(rows)
        first: dict[tuple[str, bytes], str] = {}
        found = {}
        for unit_id, scope, text in zip(units[self.id_column], self.scopes(units), units[self.column], strict=True):
            form = normal_form.normal_form(text)
            if form and (stays := first.setdefault((scope, xxhash.xxh3_128_digest(form.encode())), unit_id)) != unit_id:
                found[unit_id] = (stays, 1.0)
        return self.marks(rows, found)
