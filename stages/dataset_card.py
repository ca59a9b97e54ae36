"""The README of a dataset: front matter that the Hub reads, then what people look for first.

contents of `dataset.json` -> YAML front matter, summary, load snippet, columns, sources, how it was made
"""

from typing import Any

_HUB_LICENSES = {
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0",
    "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "odc-by", "odbl", "pddl", "gpl-3.0", "lgpl-3.0", "mpl-2.0",
    "unlicense", "unknown",
}  # fmt: skip
"""Identifiers that the Hub accepts; it refuses a card with any other, so those become `other`."""
_SIZES = [(10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M")]


def dataset_card(dataset: dict[str, Any]) -> str:
    recipe, counts = dataset["origin"]["recipe"], dataset["counts"]
    return "\n".join(
        [
            "---",
            _front_matter(dataset),
            "---",
            f"# {recipe['name']}",
            "",
            _summary(dataset["format"], counts),
            "",
            "```python",
            "from datasets import load_dataset",
            "",
            f'dataset = load_dataset("path/to/this/folder", split="{dataset["split"]}")',
            "```",
            "",
            *_table("Columns", ["column", "type", "unit", "meaning"], _column_lines(dataset["schema"])),
            *_table("Pairs", ["rule", "pairs"], counts.get("pair_kinds", {}).items()),
            *_table("Sources", ["source", "rows"], counts["sources"].items()),
            *_table("Licences", ["licence", "rows"], counts["licenses"].items()),
            *_table("Models", ["model", "rows"], counts["models"].items()),
            *_table("Left out", ["reason", "rows"], [*counts["rejected_by"].items(), ("unfit", len(counts["unfit"]))]),
            "## How it was made",
            "",
            f"By the recipe `{recipe['name']}`, digest `{recipe['digest']}`; `dataset.json` holds its stages, the "
            "digests of its sources and a checksum of every file, and `provenance` the history of every row.",
            "",
        ]
    )


def _summary(form: str, counts: dict[str, Any]) -> str:
    if form == "rl":
        return f"{counts['n_problems']:,} problems with verifiable answers, for reinforcement learning."
    if form == "preference":
        chosen, rejected = counts.get("n_chosen_tokens", 0), counts.get("n_rejected_tokens", 0)
        pairs = f"{counts['n_rows']:,} preference pairs for {counts['n_problems']:,} problems"
        return f"{pairs}: {chosen:,} tokens in what is chosen, {rejected:,} in what is rejected."
    traces = f"{counts['n_rows']:,} reasoning traces for {counts['n_problems']:,} problems: {_lengths(counts)}."
    if n_negative := counts.get("n_negative_rows"):
        traces += f" **{n_negative:,} of them have a negative `weight`: wrong answers, not to be imitated.**"
    return traces


def _front_matter(dataset: dict[str, Any]) -> str:
    from huggingface_hub import DatasetCardData

    counts, split = dataset["counts"], dataset["split"]
    folders = sorted({file["path"].partition("/")[0] for file in dataset["files"]})
    licenses = {name.lower() if name.lower() in _HUB_LICENSES else "other" for name in counts["licenses"]}
    data = DatasetCardData(
        license=sorted(licenses) or None,
        pretty_name=dataset["origin"]["recipe"]["name"],
        size_categories=next((size for limit, size in _SIZES if counts["n_rows"] < limit), "n>10M"),
        task_categories=["text-generation"],
        configs=[
            {
                "config_name": "default" if folder == "data" else folder,
                "data_files": [{"split": split, "path": f"{folder}/{split}-*"}],
            }
            for folder in folders
        ],
    )
    return data.to_yaml()


def _lengths(counts: dict[str, Any]) -> str:
    before, after = counts["n_source_reasoning_tokens"], counts["n_reasoning_tokens"]
    if not before:
        return f"{after:,} tokens of reasoning"
    return (
        f"{after:,} tokens of reasoning, {after / before:.0%} of the {before:,} in the traces that they were made from"
    )


def _table(title: str, head: list[str], lines: Any) -> list[str]:
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    if not cells:
        return []
    return [f"## {title}", "", *(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *cells]), ""]


def _column_lines(schema: list[dict[str, Any]], prefix: str = "") -> list[list[str]]:
    lines = []
    for column in schema:
        is_struct = "fields" in column
        type_ = "struct" if is_struct else column["type"]
        lines.append([f"`{prefix}{column['name']}`", type_, column["unit"], column["doc"]])
        lines += _column_lines(column.get("fields", []), f"{column['name']}.")
    return lines
