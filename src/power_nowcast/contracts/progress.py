"""The type of the function that reports the progress of a long task."""

from collections.abc import Callable

type Progress = Callable[[str], None]
"""The task calls it with a sentence for people whenever a part is done."""
