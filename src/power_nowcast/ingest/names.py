"""Names in the form in which they are compared, and lists of names in messages."""

import unicodedata
from collections.abc import Iterable

NAMES_LISTED = 10
"""The most names that a message lists."""


def listed(names: Iterable[object]) -> str:
    """Names for a message: the first ten, and the number of the others.

    >>> listed("abc")
    'a, b, c'
    >>> listed(range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more'
    """
    every = [str(name) for name in names]
    beyond = len(every) - NAMES_LISTED
    return ", ".join(every[:NAMES_LISTED]) + (f" and {beyond} more" if beyond > 0 else "")


def named(text: str) -> str:
    """A title or name in the form in which it is compared: without spaces around it, in one Unicode normal form."""
    return unicodedata.normalize("NFC", text.strip().strip("\ufeff\u200b").strip())
