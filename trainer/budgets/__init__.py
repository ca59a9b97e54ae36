"""Token budgets, one method in one file: what a rollout is told to take, and what terms measure it by."""
