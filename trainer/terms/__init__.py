"""Reward terms, one method in one file: each turns a `GroupView` into a value per rollout."""
