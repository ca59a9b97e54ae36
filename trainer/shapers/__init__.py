"""Advantage shapers, one method in one file: how a group's rewards become the credit of rollouts and tokens."""
