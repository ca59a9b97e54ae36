"""What a trace costs on the CPU from its text to a deduplicated shard, beside the usual libraries in a row.

    real traces ─┬─> markers counted ─> tokens counted ─> signatures, duplicates ─> Parquet      as the stages do it
                 └─> re, tokenizers, datasketch (MinHash, LSH), pyarrow with its defaults        the peers' sum

    python -m benchmarks.cpu_chain [--traces 600] [--rounds 5]

CPU time of this process, one thread, both chains in turn within each round; `chain` is the median of the rounds'
ratios, `chain_with_stored_counts` the same where the engine has counted the tokens while it wrote them. The tokenizer
is a byte-level BPE of 32,000 tokens in Qwen2's manner, trained on other traces of the same file first; both sides must
count alike. The traces are texts of `math_traces_reasoning` in LACONIC_DATA, joined to 13 KB each, which is how much
the teachers of today write. Only text is worked on: the store's own writing is in `benchmarks.store`.
"""

import os

for name in ("RAYON_NUM_THREADS", "POLARS_MAX_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import argparse  # noqa: E402
import re  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402
from typing import Any  # noqa: E402

import polars as pl  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers  # noqa: E402

from benchmarks.dedup import cpu_rounds  # noqa: E402
from benchmarks.dedup_peers import NGRAM, find_datasketch  # noqa: E402
from benchmarks.machine import print_result  # noqa: E402
from schemas import tokens  # noqa: E402
from schemas.columns import N_REASONING_TOKENS, PROBLEM_ID, REASONING  # noqa: E402
from schemas.release import SFT  # noqa: E402
from stages.dedup_minhash import DedupMinhash  # noqa: E402
from stages.score_overthinking import marker_pattern, marker_share  # noqa: E402
from stages.shard_files import ShardFiles  # noqa: E402
from stages.sign_minhash import SignMinhash  # noqa: E402

DATA = Path(os.environ.get("LACONIC_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
N_CHARACTERS, N_VOCABULARY = 13_000, 32_000
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Split pattern of the released tokenizer.json of Qwen2."""
COLUMNS = (PROBLEM_ID, REASONING, N_REASONING_TOKENS)
FORM = replace(SFT, name="chain", columns=COLUMNS, texts=("problem_id", "reasoning"))
Chain = Callable[[], Any]


def real_traces(n: int) -> tuple[list[str], list[str]]:
    """Traces to work on, and as many others to train the tokenizer on."""
    texts = pl.read_parquet(DATA / "math_traces_reasoning.parquet", columns=["response"])["response"].drop_nulls()
    joined = list(_joined(iter(texts)))
    return joined[:n], joined[-n:]


def _joined(texts: Iterator[str]) -> Iterator[str]:
    part = ""
    for text in texts:
        part += f"{text}\n\n"
        if len(part) >= N_CHARACTERS:
            yield part[:N_CHARACTERS]
            part = ""


def train_tokenizer(texts: list[str], folder: Path) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN2), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=N_VOCABULARY, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def rows_of(texts: list[str], counts: list[int]) -> list[dict[str, Any]]:
    rows = zip(texts, counts, strict=True)
    return [
        {"problem_id": f"{place:08d}", "reasoning": text, "n_reasoning_tokens": count}
        for place, (text, count) in enumerate(rows)
    ]


def our_parts(texts: list[str], name: str, stored: list[int], folder: Path) -> dict[str, Chain]:
    """What the stages do with each row, then with the table."""
    sign = SignMinhash(column="reasoning", ngram=NGRAM)
    dedup = DedupMinhash(scope="traces", column="reasoning", ngram=NGRAM, numbers="ignore")

    def duplicates() -> int:
        minhash = [sign.run({"reasoning": text})["minhash"] for text in texts]
        ids = [f"{place:08d}" for place in range(len(texts))]
        rows = pl.DataFrame({"problem_id": "all", "trace_id": ids, "reasoning": texts, "minhash": minhash})
        return dedup.run(rows)["duplicate_of"].count()

    def write() -> None:
        files = ShardFiles(folder, "train", FORM, 256 * 10**6)
        for row in rows_of(texts, stored):
            files.add(row)
        files.close()

    return {
        "markers": lambda: [marker_share(text, "en", tokens.ESTIMATE) for text in texts],
        "tokens": lambda: [tokens.counter(name)(text) for text in texts],
        "duplicates": duplicates,
        "write": write,
    }


def their_parts(texts: list[str], tokenizer: Tokenizer, stored: list[int], folder: Path) -> dict[str, Chain]:
    """The usual libraries, each as its own guide shows."""
    markers = re.compile(marker_pattern("en"), re.IGNORECASE)

    def write() -> None:
        pq.write_table(pa.Table.from_pylist(rows_of(texts, stored)), folder / "peer.parquet", compression="zstd")

    return {
        "markers": lambda: [len(markers.findall(text)) for text in texts],
        "tokens": lambda: [len(one.ids) for one in tokenizer.encode_batch(texts, add_special_tokens=False)],
        "duplicates": lambda: find_datasketch(texts),
        "write": write,
    }


def measure(n_traces: int, n_rounds: int, folder: Path) -> dict[str, Any]:
    texts, others = real_traces(n_traces)
    tokenizer = train_tokenizer(others, folder)
    stored = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    ours, theirs = our_parts(texts, str(folder), stored, folder), their_parts(texts, tokenizer, stored, folder)
    assert ours["tokens"]() == theirs["tokens"]() == stored
    methods = {
        f"{part} {side}": run for side, parts in (("ours", ours), ("theirs", theirs)) for part, run in parts.items()
    }
    seconds = cpu_rounds(methods, n_rounds)
    ms = {name: round(1000 * median(times) / len(texts), 3) for name, times in seconds.items()}
    print(f"ms per trace{'':>10}ours   peers   ratio")
    for part in ours:
        own, peer = ms[f"{part} ours"], ms[f"{part} theirs"]
        print(f"{part:<16}{own:>10.3f}{peer:>8.3f}{peer / own:>8.1f}")
    without = [part for part in ours if part != "tokens"]
    return {
        "chain": chain_ratio(seconds, list(ours)),
        "chain_with_stored_counts": chain_ratio(seconds, without),
        "ms_per_trace": ms,
        "n_traces": len(texts),
    }


def chain_ratio(seconds: dict[str, list[float]], parts: list[str]) -> float:
    """Median over the rounds of the peers' sum over ours."""
    sums = [
        [sum(of_round) for of_round in zip(*(seconds[f"{p} {side}"] for p in parts), strict=True)]
        for side in ("theirs", "ours")
    ]
    return round(median(peer / own for peer, own in zip(*sums, strict=True)), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--traces", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"there is no folder {DATA}; set LACONIC_DATA")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(arguments.traces, arguments.rounds, Path(folder))
    print(f"whole chain {figures['chain']} times, with stored token counts {figures['chain_with_stored_counts']} times")
    print_result(figures, "datasketch", "tokenizers", "pyarrow", "regex", "numba")


if __name__ == "__main__":
    main()
