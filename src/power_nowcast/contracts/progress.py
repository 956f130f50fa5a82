"""How a long work tells what it has done."""

from collections.abc import Callable

type Progress = Callable[[str], None]
"""It is called with a sentence for people whenever a part is done."""
