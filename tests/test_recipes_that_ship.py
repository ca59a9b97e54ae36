"""Every file in `recipes/` and `ray_configs/` is valid as it stands."""

import pytest

from pipeline.bind import bind
from pipeline.execution import ExecutionConfig
from pipeline.lookup import ROOT
from pipeline.reader import Change
from pipeline.recipe import Recipe

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
CONFIGS = sorted(path for path in (ROOT / "ray_configs").glob("*.yaml") if not path.stem.startswith("kuberay"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_that_ships_is_ready_to_run(path, tmp_path):
    traces = tmp_path / "traces.jsonl"
    traces.write_text('{"problem": "What is 1 + 1?", "answer": "2", "response": "<think>2</think> \\\\boxed{2}"}\n')
    reads_the_hub = "hf://" in path.read_text()
    recipe = Recipe.read(path, Change(input=str(traces) if reads_the_hub else ""))
    assert bind(recipe, ExecutionConfig())


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_survives_the_way_to_yaml_and_back(path, tmp_path):
    recipe = Recipe.read(path)
    copy = tmp_path / "copy.yaml"
    copy.write_text(recipe.to_yaml())
    assert Recipe.read(copy).to_dict() == recipe.to_dict()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_an_execution_config_that_ships_is_valid(path):
    assert ExecutionConfig.read(path).engine("teacher").replicas >= 1
