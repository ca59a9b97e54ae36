"""Rollout policies, one file each: how a problem becomes G prompts, and prompts become completions."""

from typing import Annotated

from pydantic import Field

from trainer.rollouts.budget_prompt import BudgetPrompt
from trainer.rollouts.elastic import Elastic
from trainer.rollouts.mode_controlled import ModeControlled
from trainer.rollouts.plain import Plain

AnyRollout = Annotated[Plain | BudgetPrompt | ModeControlled | Elastic, Field(discriminator="rollout")]

__all__ = ["AnyRollout", "BudgetPrompt", "Elastic", "ModeControlled", "Plain"]
