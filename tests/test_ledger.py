"""The ledger gives back what was put in: under any cutting into parts, and for any repetition of keys."""

import tempfile

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RunFailed, StoreError
from pipeline.ledger import CHILD, KEY, Cost, Known, Ledger, merged_parts
from pipeline.store import Store

WRITES = pa.schema([pa.field("text", pa.string()), pa.field("n", pa.int32())])
ROW = st.fixed_dictionaries({"text": st.none() | st.text(), "n": st.none() | st.integers(-9, 9)})
KEYS = st.integers(0, 5).map(lambda number: bytes([number]) * 16)
OUTCOME = st.lists(ROW, max_size=3) | st.just("failed")
PARTS = st.lists(st.dictionaries(KEYS, OUTCOME, max_size=4), max_size=6)


def ledger_at(folder) -> Ledger:
    return Ledger(Store.open(str(folder), 1), "f" * 32, 0, WRITES)


def add_part(ledger, part):
    writer = ledger.writer()
    for key, outcome in part.items():
        if outcome == "failed":
            writer.fail(key, "no", Cost())
        else:
            writer.add(key, outcome, Cost(n_calls=1))
    writer.flush()


@settings(max_examples=20)
@given(PARTS)
def test_a_ledger_reads_like_a_dict_in_which_the_older_of_two_equal_keys_stays(parts):
    with tempfile.TemporaryDirectory() as folder:
        ledger, model = ledger_at(folder), {}
        for part in parts:
            add_part(ledger, part)
            model = part | model
        known = {
            key: Known(0, True) if outcome == "failed" else Known(len(outcome), False) for key, outcome in model.items()
        }
        assert ledger.known() == known
        lines = ledger.read(["text", "n"]).filter(pl.col(CHILD) >= 0).sort(KEY, CHILD)
        expected = [
            {KEY: key, CHILD: child, **row}
            for key, outcome in sorted(model.items())
            if outcome != "failed"
            for child, row in enumerate(outcome)
        ]
        assert lines.to_dicts() == expected


def test_merging_parts_changes_nothing_that_is_read(tmp_path):
    ledger = ledger_at(tmp_path)
    for part in ({b"a" * 16: [{"text": "old", "n": 1}]}, {b"a" * 16: [{"text": "new", "n": 2}], b"b" * 16: []}):
        add_part(ledger, part)
    before = ledger.read(["text", "n"])
    merged = merged_parts(ledger.store, ledger.folder, ledger.store.names(ledger.folder))
    assert pl.DataFrame(merged).select(before.columns).equals(before)


def test_a_value_that_does_not_fit_its_column_makes_a_bad_row_and_not_a_lost_one(tmp_path):
    writer = ledger_at(tmp_path).writer()
    for number, row in enumerate([{"text": 1, "n": 1}, {"text": "\ud800", "n": 1}, {"text": "", "n": 2**40}]):
        writer.add(bytes([number]) * 16, [row], Cost())
    writer.flush()
    reasons = ledger_at(tmp_path).read(["_error"])["_error"].to_list()
    assert len(reasons) == 3
    assert all(reason.startswith("a value does not fit its column") for reason in reasons)


@pytest.mark.parametrize("row", [{"text": "a"}, {"text": "a", "n": 1, "m": 2}, {}])
def test_a_row_with_other_columns_than_declared_is_refused(tmp_path, row):
    with pytest.raises(RunFailed, match="exactly what it writes"):
        ledger_at(tmp_path).writer().add(b"a" * 16, [row], Cost())


def test_a_part_that_was_cut_short_is_named_with_the_remedy(tmp_path):
    ledger = ledger_at(tmp_path)
    add_part(ledger, {b"a" * 16: [{"text": "a", "n": 1}]})
    (name,) = ledger.store.names(ledger.folder)
    path = tmp_path / ledger.folder / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StoreError, match=r"cannot be read .* delete it, its rows will be computed again"):
        ledger.known()
    path.unlink()
    assert ledger.known() == {}


def test_many_rows_are_written_in_several_parts_before_the_end(tmp_path):
    ledger = ledger_at(tmp_path)
    writer = ledger.writer()
    for number in range(600):
        writer.add(number.to_bytes(16, "big"), [{"text": "a", "n": 1}], Cost())
    assert len(ledger.known()) == 500
    writer.flush()
    assert len(ledger.known()) == 600
