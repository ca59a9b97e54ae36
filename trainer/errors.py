"""The trainer's error, one of those whose message is meant for the user; the command line ends with exit code 2."""

from pipeline.errors import LaconicError


class TrainError(LaconicError):
    """Raised before any weight is loaded, or before the first step: nothing has been trained."""
