"""tables: in a narrow terminal text wraps, further columns stand below, and no number loses a digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from power_nowcast.report.tables import NARROWEST, fit
from power_nowcast.report.terminal import plain_table

NUMBERS = ("12,345,678", "2018-01-01 00:00", "2026-11-29 05:30", "-1,234.5", "100.0 %", "98,765,432 to 99,999,999")


def _lines(shown: object, width: int) -> list[str]:
    console = Console(width=width, force_terminal=True, color_system=None, markup=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(fit(shown, width))  # type: ignore[arg-type]
    return captured.get().splitlines()


def _table(numbers: tuple[str, ...] = NUMBERS, text: str = "A long sentence that says why.") -> Table:
    table = plain_table("The title of the table")
    table.add_column("table")
    table.add_column("reason")
    for place, _ in enumerate(numbers):
        table.add_column(f"number {place}", justify="right")
    table.add_row("weather_forecast", text, *numbers)
    return table


def test_a_table_that_fits_is_left_alone() -> None:
    table = _table(("1", "2"))
    assert fit(table, 80) is table


def test_numbers_are_whole_and_the_first_column_stands_beside_each() -> None:
    lines = _lines(_table(), 80)
    text = "\n".join(lines)
    for number in NUMBERS:
        assert sum(number in line for line in lines) == 1
    assert "…" not in text
    assert max(map(len, lines)) <= 80
    assert text.count("The title of the table") == 1
    assert text.count("weather_forecast") == text.count("reason") + 1 == 2


def test_text_wraps_before_a_second_table_is_needed() -> None:
    lines = _lines(_table(("12,345,678", "1,234.567")), 60)
    text = " ".join(" ".join(lines).split())
    assert text.count("weather_forecast") == 1
    assert all(word in text for word in ("A", "long", "sentence", "that", "says", "why."))
    assert max(map(len, lines)) <= 60


def test_a_path_without_a_space_keeps_its_letters() -> None:
    path = "/a/very/long/path/" + "x" * 40
    text = "".join(_lines(_table(("12,345,678",), path), 50))
    assert path in text.replace("12,345,678", "").replace(" ", "")


def test_groups_and_styles_are_kept() -> None:
    table = _table()
    table.add_row("nowcast", Text("said", style="red"), *NUMBERS, style="bold")
    made = fit(Group(Text("before"), table), 80)
    assert isinstance(made, Group)
    parts = made.renderables[1]
    assert isinstance(parts, Group)
    assert [[row.style for row in part.rows] for part in parts.renderables if isinstance(part, Table)] == [
        [None, "bold"]
    ] * 2


@pytest.mark.parametrize("width", [30, 34, 40])
def test_a_very_narrow_terminal_gives_the_numbers_the_place_of_the_text(width: int) -> None:
    lines = _lines(_table(NUMBERS[:-1]), width)
    assert all(any(number in line for line in lines) for number in NUMBERS[:-1])
    assert max(map(len, lines)) <= width


@given(
    numbers=st.lists(st.integers(-(10**12), 10**12).map("{:,}".format), min_size=1, max_size=9),
    words=st.lists(st.text("abcdefgh", min_size=1, max_size=NARROWEST), max_size=12),
    width=st.integers(60, 120),
)
def test_no_number_and_no_word_is_ever_cut(numbers: list[str], words: list[str], width: int) -> None:
    found = " ".join(_lines(_table(tuple(numbers), " ".join(words)), width)).split()
    assert set(numbers) <= set(found)
    assert set(words) <= set(found)
