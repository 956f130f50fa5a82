"""What a file of power is taken for."""

from io import BytesIO

import polars as pl
import pytest

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.looking import Look, by_size, look


def seen(text: str, **options: object) -> Look:
    return look(text.encode(), "own.csv", **options)  # type: ignore[arg-type]


def quarters(days: int = 1, form: str = "%Y-%m-%d %H:%M", first: str = "2024-05-01") -> list[str]:
    """Stamps of whole days, labelled by starts."""
    start = pl.Series([first]).str.to_datetime()[0]
    times = pl.datetime_range(start, start + pl.duration(days=days), "15m", closed="left", eager=True)
    return times.dt.strftime(form).to_list()


def lines(titles: str, stamps: list[str], *values: str, by: str = ",") -> str:
    return "\n".join([titles, *(by.join((stamp, *values)) for stamp in stamps)])


def test_the_signs_are_found() -> None:
    one = seen(lines("Zeit;Last [kW];Status", quarters(form="%d.%m.%Y %H:%M"), "312,5", "ok", by=";"))
    assert (one.separator, one.decimal, one.stamp, one.others) == (";", ",", ("Zeit",), ("Status",))
    assert (one.names, one.unit, one.spacing_minutes, one.label) == (("Last [kW]",), "kW", 15, "start")
    assert (one.levels, one.has_offset, one.rows) == ({"Last [kW]": (312.5, 312.5)}, False, 96)


@pytest.mark.parametrize(
    ("titles", "unit"), [("t,load_mw", "MW"), ("t,P (GW)", "GW"), ("t,KW feeder 3", "kW"), ("t,load", None)]
)
def test_a_title_names_the_unit(titles: str, unit: str | None) -> None:
    assert seen(lines(titles, quarters(), "3.5")).unit == unit


def test_without_a_unit_in_the_title_the_size_tells_it() -> None:
    assert by_size(seen(lines("t,load", quarters(), "312000.5"))) == "kW"
    assert by_size(seen(lines("t,load", quarters(), "312.5"))) == "MW"


@pytest.mark.parametrize(("first", "order"), [("2024-05-13", "%d/%m/%Y %H:%M"), ("2024-05-01", "%d/%m/%Y %H:%M")])
@pytest.mark.parametrize("days", [1, 40])
def test_the_order_of_day_and_month_follows_from_the_stamps(first: str, order: str, days: int) -> None:
    one = seen(lines("t,load", quarters(days, order, first), "3.5"))
    is_shown = days == 40 or first == "2024-05-13"
    assert is_shown is one.order_is_known
    assert one.stamp_format == order


def test_months_first_are_found_too() -> None:
    assert seen(lines("t,load", quarters(40, "%m/%d/%Y %H:%M"), "3.5")).stamp_format == "%m/%d/%Y %H:%M"


def test_stamps_with_an_offset_need_nothing_else() -> None:
    one = seen(lines("t,load", quarters(form="%Y-%m-%dT%H:%M:%SZ"), "3.5"))
    assert (one.has_offset, one.stamp_format) == (True, None)


def test_date_and_time_may_stand_in_two_columns() -> None:
    stamps = [stamp.replace(" ", ",") for stamp in quarters()]
    assert seen(lines("day,time,load", stamps, "3.5")).stamp == ("day", "time")


def test_a_row_for_each_value_names_its_series() -> None:
    rows = [f"{stamp},{name},{level}" for stamp in quarters() for name, level in (("N", 3.5), ("S", 1.5))]
    one = seen("\n".join(["t,area,mw", *rows]))
    assert (one.series, one.value, one.names) == ("area", "mw", ("N", "S"))
    assert one.levels == {"N": (3.5, 3.5), "S": (1.5, 1.5)}


def test_the_sum_of_the_other_columns_is_the_total() -> None:
    one = seen(lines("t,north,south,all", quarters(), "3.5", "1.5", "5.0"))
    assert (one.total, one.names) == ("all", ("north", "south"))


def test_only_the_columns_that_are_asked_for() -> None:
    one = seen(lines("t,load,temperature", quarters(), "3.5", "11.5"), columns=["load"])
    assert (one.names, one.others) == (("load",), ("temperature",))


def test_stamps_of_ends_show_it() -> None:
    assert seen(lines("t,load", [*quarters()[1:], "2024-05-02 00:00"], "3.5")).label == "end"
    assert seen(lines("t,load", quarters()[5:], "3.5")).label is None


def test_parquet() -> None:
    file = BytesIO()
    times = pl.Series("time", quarters()).str.to_datetime()
    pl.DataFrame([times, pl.Series("load_kw", [float(n) for n in range(96)])]).write_parquet(file)
    one = look(file.getvalue(), "own.parquet")
    assert (one.separator, one.stamp, one.names, one.unit) == (None, ("time",), ("load_kw",), "kW")
    assert (one.has_offset, one.spacing_minutes) == (False, 15)


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (lines("t,load_kwh", quarters(), "3.5"), "an energy", "Divide"),
        (lines("t,a_kw,b_mw", quarters(), "3.5", "1"), "several units", "one unit"),
        (lines("t,state", quarters(), "on"), "no column holds numbers", "table of power"),
        (lines("n,load", [str(n) for n in range(20)], "3.5"), "no column holds stamps", "titles"),
        ("\n".join(f"{stamp},3.5" for stamp in quarters()), "has no titles", "Add a first line"),
        (lines("t;load", [f"2024-05-01 0{n}:00" for n in (0, 7)], "3,5", by=";"), "420 minutes", "spacing"),
        ("load\n3.5\n", "one field only", "--separator"),
    ],
)
def test_what_is_no_table_of_power_is_refused_with_the_remedy(text: str, message: str, remedy: str) -> None:
    with pytest.raises(SourceFormatError, match=message) as error:
        seen(text)
    assert remedy in error.value.remedy


def test_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(SourceFormatError, match=r"no column 'lod' of values; it has load"):
        seen(lines("t,load", quarters(), "3.5"), columns=["lod"])
