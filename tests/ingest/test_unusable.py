"""A file of which no row can be used, or less than half, is an error with reasons, an example and the remedy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast.contracts import Batch, Table
from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest import fetch
from power_nowcast.ingest.unusable import unusable
from power_nowcast.regions import Region, SourceSpec

HEADER = "valid_at,VIC\n"


def batch_of(region: Region, file: Path, text: str, table: Table = Table.POWER) -> Batch:
    file.write_text(text)
    (batch,) = fetch(region, tables=[table], place=file)
    return batch


def error_of(region: Region, file: Path, text: str, table: Table = Table.POWER, **options: object) -> SourceFormatError:
    spec = SourceSpec(source="files", options={"files": str(file), **options})
    changed = region.model_copy(update={table.value: spec})
    batch = batch_of(changed, file, text, table)
    assert batch.is_unusable
    assert batch.rows.is_empty()
    return unusable(batch, changed)


def of_files(region: Region) -> Region:
    return region.model_copy(update={"power": SourceSpec(source="files")})


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            f"{HEADER}01/05/2024 00:00,4000\n01/05/2024 00:30,4001\n",
            {"time_zone": "UTC"},
            (
                r"none of its 2 rows can be used \(unreadable stamp 2\): '01/05/2024 00:00' in the column valid_at "
                r'does not say which number is the day.*stamp_format = "%d/%m/%Y %H:%M" or stamp_format = "%m/'
            ),
        ),
        (f"{HEADER}00:30,4000\n01:00,4001\n", {}, "'00:30' in the column valid_at has a time of day.*date_in_name"),
        (f"{HEADER}45413.0,4000\n", {"time_zone": "UTC"}, 'serial number of a spreadsheet.*stamp_format = "excel"'),
        (f"{HEADER}2024-05-01,1\n2024-05-02,2\n", {"time_zone": "UTC"}, "is a date without a time, as are all"),
        (f"{HEADER}2024-05-01 00:30 EST,4000\n", {}, "has EST, which is no name of the region's time zone"),
        (
            f"{HEADER}2014-10-05 02:30,4000\n",
            {"time_zone": "Australia/Melbourne"},
            "is a time that the clocks of its time zone never show",
        ),
        (
            f"{HEADER}2014-04-06 02:30,4000\n",
            {"time_zone": "Australia/Melbourne"},
            r'ambiguous stamp 1\).*is a time of the repeated hour.*ambiguous = "earliest"',
        ),
        (
            f"{HEADER}2024-05-01,4000\n",
            {"stamp_format": "%d.%m.%Y %H:%M", "time_zone": "UTC"},
            "is not of the form '%d.%m.%Y %H:%M'. Correct the source's option stamp_format",
        ),
        (
            "t,n,v\n2024-05-01T00:00Z,TAS,1\n2024-05-01T00:00Z,NSW,1\n",
            {"columns": {"valid_at": "t", "series": "n", "value": "v"}},
            r"unknown zone 2\): the file has NSW, TAS, the region VIC.*option series",
        ),
        (f"{HEADER}2024-05-01T00:00Z,4000 MW\n", {}, "'4000 MW' of VIC at 2024-05-01T00:00Z is not a number.*decimal"),
        (f"{HEADER}2024-05-01T00:00Z,-4000\n", {}, r"is negative \(below 0.0\).*allow_negative"),
        (f"{HEADER}2024-05-01T00:00Z,4000000\n", {}, "is implausible.*option unit"),
    ],
)
def test_the_reason_an_example_and_what_to_write(
    victoria: Region, tmp_path: Path, text: str, options: dict[str, object], message: str
) -> None:
    error = error_of(victoria, tmp_path / "a.csv", text, **options)
    assert str(error).startswith("a.csv: none of its ")
    with pytest.raises(SourceFormatError, match=message):
        raise error


def rows(good: int, bad: int, empty: int = 0, value: str = "4000 MW") -> str:
    """A file of half hours with so many good, bad and empty values."""
    values = [f"{4000 + 7 * n % 90}" for n in range(good)] + [value] * bad + [""] * empty
    times = (datetime(2024, 5, 1, tzinfo=UTC) + n * timedelta(minutes=30) for n in range(len(values)))
    return HEADER + "".join(f"{time:%Y-%m-%dT%H:%MZ},{one}\n" for time, one in zip(times, values, strict=True))


def test_a_file_that_loses_most_of_its_values_is_refused_as_a_whole(victoria: Region, tmp_path: Path) -> None:
    batch = batch_of(of_files(victoria), tmp_path / "a.csv", rows(good=10, bad=11))
    assert (batch.is_unusable, len(batch.rows), batch.passed, len(batch.quarantined)) == (True, 0, 10, 11)
    assert unusable(batch, victoria).message.startswith(
        "a.csv: 11 of its 21 rows cannot be used (not a number 11): '4000 MW' of VIC"
    )


@pytest.mark.parametrize(
    "text",
    [rows(good=10, bad=10), rows(good=10, bad=0, empty=200), rows(good=10, bad=20, value="n/a")],
    ids=["half", "no value yet", "no value in words"],
)
def test_a_file_that_says_little_is_none_that_loses_much(victoria: Region, tmp_path: Path, text: str) -> None:
    batch = batch_of(of_files(victoria), tmp_path / "a.csv", text)
    assert (batch.is_unusable, len(batch.rows)) == (False, 10)


def test_a_publish_time_names_its_own_column(victoria: Region, tmp_path: Path) -> None:
    text = "valid_at,published,VIC\n2024-05-01T00:00Z,30/04/2024 08:00,4000\n"
    error = error_of(victoria, tmp_path / "a.csv", text, Table.FORECAST, columns={"written": "published"})
    assert "'30/04/2024 08:00' in the column published does not say which" in error.message


def test_a_file_without_rows_is_none(victoria: Region, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER)
    spec = SourceSpec(source="files", options={"files": str(tmp_path / "a.csv")})
    (batch,) = fetch(victoria.model_copy(update={"power": spec}), tables=[Table.POWER])
    assert not batch.is_unusable
