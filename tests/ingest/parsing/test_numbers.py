"""numbers: a factor of a thousand never passes unseen."""

import polars as pl
import pytest

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.parsing.numbers import numbers


def read(
    *texts: str | None, series: list[str] | None = None, load: float | None = None, **options: str
) -> list[float | None]:
    names = pl.Series(series or ["A"] * len(texts))
    loads = {} if load is None else {"A": load}
    return numbers(pl.Series(texts, dtype=pl.String), names, options, "a.csv", loads=loads).to_list()


def test_plain_numbers() -> None:
    assert read("816.7", " 1001 ", "+5", "-0.5", ".5", "1e3", "n/a", "", None) == [
        *(816.7, 1001.0, 5.0, -0.5, 0.5, 1000.0),
        *(None, None, None),
    ]
    assert read("\N{MINUS SIGN}3.5", "\u00a0816.7") == [-3.5, 816.7]


@pytest.mark.parametrize(
    "texts",
    [
        ("987", "992", "1.001", "1.015"),
        ("987", "1,001"),
        ("1,001", "1,015"),
        ("816,700", "999,100"),
        ("-987", "-1.001"),
    ],
)
def test_a_sign_that_may_be_of_thousands_is_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(SourceFormatError, match=r"A has values such as .*may be .*thousand times") as caught:
        read(*texts)
    assert "thousands = " in caught.value.remedy
    assert "decimal = " in caught.value.remedy
    assert caught.value.fields["series"] == "A"


@pytest.mark.parametrize(
    ("options", "right"),
    [({"thousands": "."}, [987.0, 1001.0]), ({"decimal": ","}, [987.0, 1001.0]), ({"decimal": "."}, [987.0, 1.001])],
)
def test_an_option_decides(options: dict[str, str], right: list[float]) -> None:
    assert read("987", "1.001", **options) == right


def test_commas_by_option() -> None:
    assert read("987", "1,001", thousands=",") == [987.0, 1001.0]
    assert read("987,5", "1.001,25", "1001,25", thousands=".") == [987.5, 1001.25, 1001.25]
    assert read("1,001", decimal=",") == [1.001]
    assert read("12.34", "1,5", decimal=",") == [None, 1.5], "a point that is of no thousands is of nothing"
    assert read("1,5", "1,001.5", decimal=".") == [None, 1001.5]


@pytest.mark.parametrize("mark", [" ", "\u00a0", "\u202f", "\u2009", "'", "\u2019"])
def test_spaces_and_apostrophes_are_of_thousands(mark: str) -> None:
    assert read("987", f"1{mark}001", f"1{mark}234{mark}567.5") == [987.0, 1001.0, 1234567.5]
    assert read("987,5", f"1{mark}001,5") == [987.5, 1001.5]
    assert read(f"1{mark}0") == [None]


def test_the_signs_are_found_where_one_reading_is_left() -> None:
    assert read("816,7", "1001,25", "987") == [816.7, 1001.25, 987.0]
    assert read("816,7", "1.001,25", "1.001") == [816.7, 1001.25, 1001.0]
    assert read("816.7", "1,001", "1,001.5") == [816.7, 1001.0, 1001.5]
    assert read("987", "1.234.567", "1.001") == [987.0, 1234567.0, 1001.0]
    assert read("0,817", "1,001") == [0.817, 1.001], "a group of thousands does not begin with 0"
    assert read("1016,700", "816,700") == [1016.7, 816.7]


def test_one_file_has_one_sign_of_decimals() -> None:
    with pytest.raises(SourceFormatError, match="may be"):
        read("816,7", "816.7")


@pytest.mark.parametrize(
    "texts",
    [
        ("0", "12.345", "7.103"),  # wind that stands still
        ("801", "816.725", "788.125"),
        ("987", "1.001", "0.950"),
        ("987.500", "1001.000"),
        ("3", "12", "7.125", "2.375"),
    ],
)
def test_three_digits_behind_a_point_may_be_decimals(texts: tuple[str, ...]) -> None:
    assert read(*texts) == [float(text) for text in texts]


def test_one_series_with_thousands_is_found_among_others() -> None:
    with pytest.raises(SourceFormatError, match=r"B has values such as 1\.001 beside 987"):
        read("816.7", "801.6", "987", "1.001", series=["A", "A", "B", "B"])


def test_a_load_a_thousand_times_too_small_is_refused_in_a_short_file() -> None:
    with pytest.raises(SourceFormatError, match=r"1001 or 1\.001"):
        read("1.001", "1.390", load=3000)
    assert read("1.001", "1.390", load=3) == [1.001, 1.39]
    assert read("1.001", "1.390") == [1.001, 1.39], "calm wind"


def test_what_is_no_number_tells_nothing_of_the_signs() -> None:
    assert read("n/a, see note", "n.a.", "816.7", "1,00,001") == [None, None, 816.7, None]
    with pytest.raises(SourceFormatError, match="beside 987"):
        read("n.a.", "987", "1.001")
