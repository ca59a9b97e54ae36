"""A store holds whole files only, says in one sentence what is wrong with it, and works on an object store too."""

import multiprocessing
import uuid

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StoreError
from pipeline.store import Store
from tests.pipeline_stages import Deal, Lines, Mix, Rank, SplitBeside, Sum, computed, recipe, run_inline

TABLE = pa.table({"key": ["a", "b"]})


def everything(pairs=((1, 2), (1, 3), (2, 4), (3, 5))):
    return recipe(deal=Deal(pairs=pairs), split=SplitBeside(), mix=Mix(), sum=Sum(), rank=Rank(), lines=Lines())


@pytest.fixture(params=["path", "file", "memory"])
def url(request, tmp_path):
    places = {"path": str(tmp_path), "file": f"file://{tmp_path}", "memory": f"memory://{uuid.uuid4().hex}"}
    return places[request.param]


def test_a_store_keeps_the_number_of_partitions_that_it_was_made_with(url):
    Store.open(url, 4)
    assert Store.open(url, 16).n_partitions == 4


def test_parts_come_back_in_the_order_in_which_they_were_added(url):
    store = Store.open(url, 4)
    tables = [pa.table({"key": [str(number)]}) for number in range(5)]
    for table in tables:
        store.append_part("folder", table)
    assert [store.read_table(f"folder/{name}") for name in store.names("folder")] == tables


def test_names_of_an_absent_folder_are_none_and_not_an_error(url):
    assert Store.open(url, 4).names("nowhere") == []


def test_a_run_gives_the_same_rows_and_files_on_every_kind_of_store(url, tmp_path):
    finished, reference = run_inline(everything(), url), run_inline(everything(), tmp_path / "reference")
    assert finished.frame("rank").equals(reference.frame("rank"))
    folders = [one.artifacts()["lines"]["folder"] for one in (finished, reference)]
    assert folders[0] == folders[1]
    assert finished.store.read_bytes(f"{folders[0]}/rows.jsonl") == reference.store.read_bytes(
        f"{folders[1]}/rows.jsonl"
    )
    assert set(computed(run_inline(everything(), url)).values()) == {0}


def test_files_left_by_a_run_that_died_are_replaced_and_not_nested(url):
    folder = run_inline(everything(), url).artifacts()["lines"]["folder"]
    store = Store.open(url)
    store.write_bytes(f"{folder}/scrap", b"")
    store.remove("cells")
    run_inline(everything(), url)
    assert store.names(folder) == ["origin.json", "rows.jsonl"]


@pytest.mark.parametrize("lost", ["datasets", "views"])
def test_what_somebody_deleted_is_made_again(tmp_path, lost):
    before = run_inline(everything(), tmp_path)
    before.store.remove(lost)
    after = run_inline(everything(), tmp_path)
    assert after.frame("rank").equals(before.frame("rank"))
    assert after.store.names(after.artifacts()["lines"]["folder"]) == ["origin.json", "rows.jsonl"]


@given(st.integers(0, 2**32 - 1), st.integers(1, 100))
def test_partitions_follow_the_order_of_problem_ids(number, n_partitions):
    store = Store("/nowhere", n_partitions)
    own, next_ = store.partition_of(f"{number:08x}" + "0" * 8), store.partition_of(f"{min(number + 1, 2**32 - 1):08x}")
    assert 0 <= own <= next_ < n_partitions


def test_a_reader_never_sees_a_file_that_is_being_written(tmp_path):
    store = Store.open(str(tmp_path), 1)
    store.write_table("folder/part.parquet", TABLE)
    (tmp_path / "folder" / ".tmp-killed").write_bytes(b"half")
    assert store.names("folder") == ["part.parquet"]


def test_a_store_of_another_format_is_refused(tmp_path):
    Store.open(str(tmp_path), 1).write_json("store.json", {"format": 99, "partitions": 1})
    with pytest.raises(StoreError, match="format 99, this version reads 1"):
        Store.open(str(tmp_path))


def test_a_place_that_cannot_be_written_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"store.json cannot be written \(Not a directory\)"):
        Store.open(str(tmp_path / "file" / "store"))


def test_no_store_is_made_where_one_is_only_looked_for(tmp_path):
    with pytest.raises(StoreError, match="there is no store"):
        Store.open(str(tmp_path / "store"), create=False)
    assert not (tmp_path / "store").exists()


def make_store(folder, n_partitions, start, made):
    start.wait()
    made.put(Store.open(folder, n_partitions).n_partitions)


@pytest.mark.slow
def test_processes_that_make_a_store_at_once_agree_on_its_partitions(tmp_path):
    context = multiprocessing.get_context("fork")
    for trial in range(5):
        start, made = context.Event(), context.Queue()
        folder = str(tmp_path / str(trial))
        processes = [context.Process(target=make_store, args=(folder, n, start, made)) for n in range(1, 7)]
        for process in processes:
            process.start()
        start.set()
        assert len({made.get(timeout=60) for _ in processes}) == 1
        for process in processes:
            process.join()
