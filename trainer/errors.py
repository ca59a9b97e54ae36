"""The one error of the trainer that is meant for the user: a sentence with the place and the remedy.

The command line turns it into that sentence and exit code 2; `trainer` itself does not know the engine room.
"""


class TrainError(Exception):
    """Raised before any weight is loaded, or before the first step: nothing has been trained."""
