"""unusable: where no row of a file can be used it is an error with reasons, an example and the remedy."""

from pathlib import Path

import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest import fetch
from power_nowcast.ingest.unusable import nothing_usable
from power_nowcast.regions import Region, SourceSpec

HEADER = "valid_at,VIC\n"


def error_of(region: Region, file: Path, text: str, table: Table = Table.POWER, **options: object) -> SourceFormatError:
    file.write_text(text)
    spec = SourceSpec(source="files", options={"files": str(file), **options})
    changed = region.model_copy(update={table.value: spec})
    (batch,) = fetch(changed, tables=[table])
    assert batch.is_unusable
    assert batch.rows.is_empty()
    return nothing_usable(batch, changed)


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


def test_a_publish_time_names_its_own_column(victoria: Region, tmp_path: Path) -> None:
    text = "valid_at,published,VIC\n2024-05-01T00:00Z,30/04/2024 08:00,4000\n"
    error = error_of(victoria, tmp_path / "a.csv", text, Table.FORECAST, columns={"written": "published"})
    assert "'30/04/2024 08:00' in the column published does not say which" in error.message


def test_a_file_without_rows_is_none(victoria: Region, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER)
    spec = SourceSpec(source="files", options={"files": str(tmp_path / "a.csv")})
    (batch,) = fetch(victoria.model_copy(update={"power": spec}), tables=[Table.POWER])
    assert not batch.is_unusable
