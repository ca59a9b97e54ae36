"""Exact duplicates: equal normal forms (`stages.normal_form`), whatever the case, spacing and LaTeX dress.

    texts -> normal forms -> 128-bit digests -> the first unit with a digest stands for all others

Texts without words are never duplicates. Numbers are part of the form: a text with another number is another text.
Digests instead of texts keep memory at some 100 bytes per unit; xxh3 is not made to resist an attacker, who could only
get a problem of his own dropped.
"""

import polars as pl
import xxhash

from pipeline.stage import Table
from stages import normal_form
from stages.duplicates import MARKS, Comparison, arrow_texts


class DedupExact(Comparison, Table):  # type: ignore[override]
    version = 3
    writes = MARKS

    def code_identity(self) -> dict[str, str]:
        return {"words": str(normal_form.VERSION)}

    def run(self, rows: pl.DataFrame) -> pl.DataFrame:
        units = self.units(rows)
        unit_ids, scopes = units[self.id_column].to_list(), self.scopes(units)
        first: dict[tuple[str, bytes], str] = {}
        found = {}
        for chunk in normal_form.forms(arrow_texts(units[self.column])):
            for unit, form in enumerate(chunk, chunk.first):
                key = scopes[unit], xxhash.xxh3_128_digest(form)
                if len(form) and (stays := first.setdefault(key, unit_ids[unit])) != unit_ids[unit]:
                    found[unit_ids[unit]] = (stays, 1.0)
        return self.marks(rows, found)
