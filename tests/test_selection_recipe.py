"""Signals, rankers, selection and mixing in one recipe, on a slice of real traces."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from pipeline.engines.engine import EngineSpec
from pipeline.facts import candidates, facts
from pipeline.recipe import Recipe
from pipeline.report import write_report
from stages.audit_structure import AuditStructure
from stages.compress_random import CompressRandom
from stages.grade_judge import GradeJudge
from stages.grade_length import GradeLength
from stages.grade_level import GradeLevel
from stages.grade_pass_rate import GradePassRate
from stages.grade_stability import GradeStability
from stages.grade_teachers import GradeTeachers
from stages.ingest import Ingest
from stages.mark_quality import MarkQuality
from stages.mix import Mix
from stages.rank_limr import RankLimr
from stages.rank_reward_variance import RankRewardVariance
from stages.rank_select2reason import RankSelect2reason
from stages.score_failed_steps import ScoreFailedSteps
from stages.score_overthinking import ScoreOverthinking
from stages.score_perplexity import ScorePerplexity
from stages.select import Select
from stages.shard import Shard
from stages.verify import Verify
from tests.pipeline_stages import computed, recipe, run_inline

DATA = Path(os.environ.get("LACONIC_DATA", Path(__file__).parents[1] / "../shared/data"))
FILE = DATA / "math_traces_reasoning.parquet"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="no real traces here")


def a_slice(folder: Path) -> str:
    """Forty short traces of twelve problems, by several models each."""
    traces = pl.scan_parquet(FILE).filter(pl.col("est_tokens") < 900, pl.col("dataset") == "gsm8k").collect()
    if traces.height < 40:
        traces = pl.scan_parquet(FILE).filter(pl.col("est_tokens") < 900).collect()
    many = traces.group_by("problem_id").len().sort("len", "problem_id", descending=[True, False])["problem_id"][:12]
    chosen = traces.filter(pl.col("problem_id").is_in(many.to_list())).sort("problem_id", "id")
    chosen = chosen.group_by("problem_id", maintain_order=True).head(4).select("problem", "answer", "model", "response")
    chosen.write_parquet(folder / "traces.parquet")
    return str(folder / "traces.parquet")


def the_recipe(path: str, **mixture) -> Recipe:
    log = "tests/reward_log.csv"
    rules = ["correct", "complete", "not_repetitive", "markup_whole", "no_refusal", "no_leak", "structure_whole"]
    nodes = recipe(
        traces=Ingest(path=path, rows="traces"),
        verified=Verify(),
        rated=GradePassRate(),
        stable=GradeStability(),
        judged=GradeJudge(engine="judge", answer="choice"),
        measured=GradeLength(),
        levels=GradeLevel(),
        ranked=RankSelect2reason(),
        aligned=RankLimr(log=log),
        moved=RankRewardVariance(log=log),
        shortened=CompressRandom(ratio=0.6),
        verified_again=Verify(),
        marked=MarkQuality(),
        audited=AuditStructure(),
        overthinking=ScoreOverthinking(),
        failed=ScoreFailedSteps(),
        perplexity=ScorePerplexity(engine="scorer"),
        teachers=GradeTeachers(common_problems=False),
        selected=Select.model_validate(
            {"rules": rules, "keep": 2, "order_by": ["failed_step_fraction", "overthinking", "n_reasoning_tokens"]}
        ),
        mixed=Mix.model_validate({"max_tokens": 2500, "shares": {"level": {"easy": 1, "*": 1}}} | mixture),
        shards=Shard(),
    )
    engines = {
        "judge": EngineSpec(model="scripted:tests.grade_scripts:judge_by_choice"),
        "scorer": EngineSpec(model="scripted:pipeline.engines.scripted:arithmetic"),
    }
    return nodes.model_copy(update={"engines": engines})


@pytest.mark.slow
def test_real_traces_go_from_signals_to_a_mixture_and_are_not_computed_twice(tmp_path):
    path = a_slice(tmp_path)
    finished = run_inline(the_recipe(path, curriculum=["difficulty"]), tmp_path / "store")
    columns = ["problem_id", "rejected_by", "position", "mix_report", "difficulty", "perplexity", "n_reasoning_tokens"]
    rows = finished.frame("mixed", columns)
    kept = rows.filter(pl.col("rejected_by").is_null()).sort("position")
    (report,) = rows["mix_report"].drop_nulls()
    assert rows.height > 60 and 0 < kept.height < rows.height
    assert kept["difficulty"].is_sorted() and kept["position"].to_list() == list(range(kept.height))
    assert sum(line["taken"] for line in json.loads(report)) <= 2500
    assert rows.filter(pl.col("rejected_by").str.starts_with("mix: ")).height > 0
    assert kept["perplexity"].null_count() == 0
    shown = Path(write_report(finished, found := candidates(finished), facts(finished, found))).read_text()
    assert "<h2>Mixture</h2>" in shown and "level=easy</th>" in shown
    again = computed(run_inline(the_recipe(path, max_tokens=5000), tmp_path / "store"))
    assert not any(n for node, n in again.items() if node not in ("mixed", "shards"))
