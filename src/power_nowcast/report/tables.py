"""Tables of a terminal that is too narrow for them: text wraps, numbers stay whole, further columns stand below."""

from collections.abc import Iterable, Iterator
from copy import copy

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

NARROWEST = 16
"""A column of text does not become narrower than its longest word, or than this, whichever is less."""
_MEASURING = Console(width=100_000, markup=False)


def fit(shown: RenderableType, width: int) -> RenderableType:
    """The same output with every table as wide as `width` columns allow.

    A table that fits is left as it is. In any other one, columns of text wrap. Columns that are aligned to the right
    or have `no_wrap` (numbers, times, names) keep their width. Those for which there is no place go on in another table
    below, which repeats the first column.
    """
    if isinstance(shown, Group):
        return Group(*(fit(one, width) for one in shown.renderables))
    if not isinstance(shown, Table) or _measured(shown) <= width:
        return shown
    return Group(*_parts(shown, width))


def _parts(table: Table, width: int) -> Iterator[Table]:
    head, *others = table.columns
    chosen = [head]
    title = table.title
    for column in others:
        if len(chosen) > 1 and _measured(_narrowed(table, [*chosen, column])) > width:
            yield _part(table, chosen, width, title)
            chosen, title = [head], None
        chosen.append(column)
    yield _part(table, chosen, width, title)


def _part(table: Table, columns: list[Column], width: int, title: object) -> Table:
    """A table of some of the columns. The text gets the space that is left, or gives what a number lacks."""
    spare = width - _measured(_narrowed(table, columns))
    widths = [_least(column) for column in columns]
    wanted = [_natural(column) for column in columns]
    while spare > 0 and (short := [n for n, most in enumerate(wanted) if widths[n] < most]):
        widths[min(short, key=widths.__getitem__)] += 1
        spare -= 1
    while spare < 0 and (text := [n for n, one in enumerate(columns) if not _is_whole(one) and widths[n] > 1]):
        widths[max(text, key=widths.__getitem__)] -= 1
        spare += 1
    made = _of(table, columns, widths)
    made.title = title  # type: ignore[assignment]
    return made


def _narrowed(table: Table, columns: list[Column]) -> Table:
    return _of(table, columns, [_least(column) for column in columns])


def _of(table: Table, columns: list[Column], widths: list[int]) -> Table:
    made = copy(table)
    made.title, made.columns, made.rows = None, [], []
    for column, width in zip(columns, widths, strict=True):
        made.add_column(column.header, justify=column.justify, style=column.style, width=width, overflow="fold")
    for row, cells in zip(table.rows, zip(*(column.cells for column in columns), strict=True), strict=True):
        made.add_row(*cells, style=row.style, end_section=row.end_section)
    return made


def _least(column: Column) -> int:
    """The least width of a column: a number is whole, a text breaks between words."""
    head = _longest_word([column.header])
    if _is_whole(column):
        return max([head, *map(_width, column.cells)])
    return min(max(head, _longest_word(column.cells)), max(NARROWEST, head))


def _is_whole(column: Column) -> bool:
    return column.no_wrap or column.justify == "right"


def _natural(column: Column) -> int:
    return max(map(_width, [column.header, *column.cells]))


def _longest_word(cells: Iterable[RenderableType]) -> int:
    return max((cell_len(word) for cell in cells for word in _plain(cell).split()), default=1)


def _plain(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


def _width(cell: RenderableType) -> int:
    return max((cell_len(line) for line in _plain(cell).splitlines()), default=0)


def _measured(table: Table) -> int:
    """The width of a table that has all the space that it wants, without its title."""
    return Measurement.get(_MEASURING, _MEASURING.options, table).maximum
