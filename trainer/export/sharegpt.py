"""Traces and pairs in ShareGPT's form, with the `dataset_info.json` by which LLaMA-Factory finds them.

    trace ──> conversations: human, gpt              pair ──> conversations: human; chosen, rejected: gpt

Read by LLaMA-Factory 0.9.5 (`data/converter.py`, SharegptDatasetConverter): set `dataset_dir` to the folder and
`dataset` to its name. Its templates for reasoning models may take the thinking apart again; look at one example.
"""

from typing import Any

from trainer.export.target import Options, Row, Target, check_plain, check_whole

_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def convert_trace(row: Row, index: int, options: Options) -> dict[str, Any]:
    check_plain(row)
    return {"conversations": [_said(turn) for turn in row["messages"]]}


def convert_pair(row: Row, index: int, options: Options) -> dict[str, Any]:
    check_whole(row)
    answers = {name: _said(row[name][-1]) for name in ("chosen", "rejected")}
    return {"conversations": [_said(turn) for turn in row["prompt"]]} | answers


def _said(turn: Row) -> dict[str, str]:
    return {"from": _SPEAKERS[turn["role"]], "value": turn["content"]}


def trace_info(name: str, file_name: str) -> dict[str, Any]:
    columns = {"messages": "conversations"}
    return {name: {"file_name": file_name, "formatting": "sharegpt", "columns": columns}}


def pair_info(name: str, file_name: str) -> dict[str, Any]:
    columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}
    return {name: {"file_name": file_name, "formatting": "sharegpt", "ranking": True, "columns": columns}}


TARGETS = (
    Target("sft", convert_trace, side_files={"dataset_info.json": trace_info}),
    Target("preference", convert_pair, side_files={"dataset_info.json": pair_info}),
)
