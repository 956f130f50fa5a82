"""`nowcast regions new`: from a file to a region file that the other commands can name."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.jobs.regions_new import Asked, findings, new_region
from power_nowcast.regions import available, load
from tests.feeder import MISSING, write_feeder

NOW = datetime(2024, 12, 16, tzinfo=UTC)
END = datetime(2024, 12, 14, 23, tzinfo=UTC)  # midnight in Berlin


@pytest.fixture
def folder(tmp_path: Path, work_in) -> Path:
    return work_in(tmp_path)


@pytest.fixture
def feeder(folder: Path) -> Asked:
    write_feeder(folder / "feeder 7.csv", END, 60)
    return Asked(folder / "feeder 7.csv", "Europe/Berlin")


def test_a_feeders_csv_becomes_a_region(feeder: Asked, folder: Path) -> None:
    made = new_region(feeder, now=NOW)
    assert made.file == Path("regions/feeder-7.toml")
    assert "feeder-7" in available()
    assert load("feeder-7") == made.region
    region = made.region
    assert (region.unit, region.interval_minutes, region.timezone) == ("kW", 15, "Europe/Berlin")
    assert [(zone.name, zone.max_mw) for zone in region.zones] == [("Leistung", 0.58)]
    assert region.holidays is not None
    assert region.holidays.country == "DE"
    assert region.power.options == {
        "folder": str(folder),
        "files": "feeder 7.csv",
        "columns": {"valid_at": "Zeit"},
        "time_zone": "Europe/Berlin",
        "stamp_format": "%d.%m.%Y %H:%M",
        "separator": ";",
        "decimal": ",",
    }


def test_gaps_are_counted_after_the_clock_change(feeder: Asked) -> None:
    # The hour that clocks repeated on 27 October stands there twice, and is no duplicate.
    tried = new_region(feeder, now=NOW).tried
    assert (tried.slots, tried.missing, tried.reasons) == (60 * 96 + 4, MISSING, {"not a number": 1})
    assert tried.last == END


def test_what_the_file_does_not_say_is_asked(feeder: Asked) -> None:
    made = new_region(feeder, now=NOW)
    asked = " ".join(made.questions)
    for question in ("Where is it?", "Which holidays?"):
        assert question in asked
    assert "What is a stamp" not in asked, "whole days show it"
    text = made.file.read_text()
    assert all(line in text for one in made.questions for line in one.splitlines())
    told = replace(feeder, name="told", place=(48.1, 11.6), holidays="DE-BY", label="end")
    assert new_region(told, now=NOW).questions == []
    assert tomllib.loads(Path("regions/told.toml").read_text())["holidays"] == {"country": "DE", "subdivision": "BY"}


def test_a_label_that_the_file_does_not_show_is_asked_and_taken_carefully(folder: Path) -> None:
    write_feeder(folder / "own.csv", datetime(2024, 12, 15, 7, 15, tzinfo=UTC), 20)
    made = new_region(Asked(folder / "own.csv", "Europe/Berlin"), now=NOW)
    assert made.region.power.label == "start"
    assert any("the start or the end" in one for one in made.questions)


def test_stamps_of_another_clock_are_refused_with_the_option(folder: Path) -> None:
    times = pl.datetime_range(datetime(2024, 3, 30), datetime(2024, 4, 2), "15m", eager=True)  # noqa: DTZ001
    lines = [f"{time:%Y-%m-%d %H:%M},{300.5 + time.hour}" for time in times]
    (folder / "utc.csv").write_text("\n".join(["time,load_kw", *lines]))
    asked = Asked(folder / "utc.csv", "Europe/Berlin")
    with pytest.raises(ConfigurationError, match=r"4 stamps, such as '2024-03-31 02:00', .* skip") as error:
        new_region(asked, now=NOW)
    assert "--clock UTC" in error.value.remedy
    assert not Path("regions").exists(), "nothing is written"
    made = new_region(replace(asked, clock="UTC"), now=NOW)
    assert (made.tried.missing, made.tried.reasons) == (0, {})
    assert (made.region.power.options["time_zone"], made.region.timezone) == ("UTC", "Europe/Berlin")


def test_several_columns_with_their_total(folder: Path) -> None:
    times = pl.datetime_range(datetime(2024, 5, 1), datetime(2024, 5, 3), "5m", eager=True)  # noqa: DTZ001
    lines = [f"{time:%Y-%m-%dT%H:%M}Z,{30.5 + n % 7},20.25,{50.75 + n % 7},ok" for n, time in enumerate(times)]
    (folder / "town.csv").write_text("\n".join(["time,North MW,South MW,All MW,state", *lines]))
    region = new_region(Asked(folder / "town.csv", "America/New_York", kind="wind"), now=NOW).region
    assert region.series == ("All", "North", "South")
    assert {zone.kind for zone in region.zones} == {"wind"}
    assert region.power.options["series"] == {"North MW": "North", "South MW": "South"}
    assert region.power.options["ignore"] == "others"
    assert "time_zone" not in region.power.options


def test_a_row_for_each_value(folder: Path) -> None:
    times = pl.datetime_range(datetime(2024, 5, 1), datetime(2024, 5, 3), "30m", eager=True)  # noqa: DTZ001
    lines = [f"{time:%Y-%m-%dT%H:%M}Z,{name},{level}" for time in times for name, level in (("N", 35), ("S", 15))]
    lines = [f"{line}.{n % 7}" for n, line in enumerate(lines)]
    (folder / "long.csv").write_text("\n".join(["time,area,mw", *lines]))
    made = new_region(Asked(folder / "long.csv", "America/New_York"), now=NOW)
    assert made.region.power.options["columns"] == {"valid_at": "time", "series": "area", "value": "mw"}
    assert made.region.series == ("N", "S")
    assert made.tried.missing == 0


def test_parquet_of_a_data_frame(folder: Path) -> None:
    times = pl.datetime_range(datetime(2024, 5, 1), datetime(2024, 5, 3), "1m", eager=True)  # noqa: DTZ001
    frame = pl.DataFrame({"time": times, "load": [0.3125 + n % 7 / 64 for n in range(len(times))]})
    frame.write_parquet(folder / "own.parquet")
    made = new_region(Asked(folder / "own.parquet", "Europe/Berlin"), now=NOW)
    assert (made.region.interval_minutes, made.region.power.interval_minutes) == (5, 1)
    assert any("Which unit?" in one for one in made.questions)
    assert "separator" not in made.region.power.options
    assert made.tried.missing == 0


def test_a_power_below_zero_is_allowed_where_it_is_usual(folder: Path) -> None:
    times = pl.datetime_range(datetime(2024, 5, 1), datetime(2024, 5, 3), "15m", eager=True)  # noqa: DTZ001
    levels = [-50.5 - time.minute if time.hour == 12 else 200.5 + time.hour for time in times]
    lines = [f"{time:%Y-%m-%dT%H:%M}Z,{level}" for time, level in zip(times, levels, strict=True)]
    (folder / "sun.csv").write_text("\n".join(["time,kW", *lines]))
    made = new_region(Asked(folder / "sun.csv", "Europe/Berlin"), now=NOW)
    assert made.region.power.options["allow_negative"] is True
    assert made.tried.reasons == {}


@pytest.mark.parametrize(
    ("changed", "kind", "message"),
    [
        ({"timezone": None}, ConfigurationError, "in which time zone its people live"),
        ({"timezone": "UTC"}, ConfigurationError, "that of no place"),
        ({"timezone": "Europe/Bonn", "place": (50.7, 7.1)}, ConfigurationError, "IANA time zone"),
        ({"name": "nyiso"}, ConfigurationError, "There is a region nyiso already: a region of this package"),
        ({"name": "a/b"}, ConfigurationError, "name"),
        ({"series": ("Last",)}, SourceFormatError, "no column 'Last'"),
        ({"file": Path("none.csv")}, MissingDataError, "There is no file none.csv"),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(feeder: Asked, changed, kind, message: str) -> None:
    with pytest.raises(kind, match=message):
        new_region(replace(feeder, **changed), now=NOW)
    assert not Path("regions").exists()


def test_a_region_file_is_never_overwritten(feeder: Asked) -> None:
    file = new_region(feeder, now=NOW).file
    file.write_text(file.read_text() + "# corrected by hand\n")
    before = file.read_text()
    with pytest.raises(ConfigurationError, match=r"There is a region feeder-7 already: regions/feeder-7\.toml"):
        new_region(feeder, now=NOW)
    assert file.read_text() == before


def test_the_findings_are_in_the_files_unit_and_local_time(feeder: Asked) -> None:
    said = dict(findings(new_region(feeder, now=NOW)))
    assert said["Table"] == "CSV, fields by semicolon"
    assert said["Decimal sign"] == "comma"
    assert said["Series"].endswith(" kW")
    assert said["Without value"] == "14 of 5,764 slots"
    assert said["Rows"].endswith("to 2024-12-15 00:00 local time")
    assert said["Fell out"] == "not a number 1"


def test_the_command_names_the_file_and_the_next_command(feeder: Asked) -> None:
    done = CliRunner().invoke(cli.app, ["regions", "new", str(feeder.file), "--timezone", "Europe/Berlin"])
    assert done.exit_code == 0, done.output
    assert "Written         regions/feeder-7.toml" in done.stdout
    assert "Next            nowcast run --region feeder-7" in done.stdout
    assert CliRunner().invoke(cli.app, ["regions", "check", "regions/feeder-7.toml"]).exit_code == 0
    assert "feeder-7" in CliRunner().invoke(cli.app, ["regions"]).stdout
