#!/usr/bin/env python3
"""Accuracy on Belgium's solar power: the protocol `elia-solar-2023`.

Trains on targets before 2023 and nowcasts every quarter hour of the year. FOLDER holds `elia_solar_BE_*.csv.gz`.
"""

import sys
from pathlib import Path

import polars as pl
from protocol import COVERED, Protocol, finish, parser, predict, with_folder, within

from power_nowcast.regions import load

PROTOCOL = Protocol(
    series=("SOLAR",),
    horizons_min=(15, 30, 45, 60),
    train_end="2023-01-01 00:00",
    first="2023-01-01 00:00",
    last="2023-12-31 22:45",
    issue_every_min=15,
    train_every_min=15,
    valid_days=365,
)
NMAE = {("SOLAR", 15): 0.40, ("SOLAR", 30): 0.74, ("SOLAR", 45): 1.04, ("SOLAR", 60): 1.31}
REGION = Path(__file__).parent / "regions" / "elia-solar-files.toml"


def main() -> int:
    options = parser(PROTOCOL, __doc__ or "").parse_args()
    region = with_folder(load(REGION), options.data)
    predictions, truth_rows, seconds = predict(region, PROTOCOL, options)
    expected = daylight(truth_rows, options.data)
    return finish(predictions, expected, seconds, options, [("nMAE in percent", within(NMAE, "nMAE")), COVERED])


def daylight(rows: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Pairs of the day, with the capacity at the target: output then or at the issue time, or forecast, above 0."""
    published = pl.concat(
        pl.read_csv(file, columns=["datetime_utc", "dayaheadforecast", "monitoredcapacity"], infer_schema=False)
        for file in sorted(folder.glob("elia_solar_BE_*.csv.gz"))
    )
    ends = pl.col("datetime_utc").str.to_datetime(time_zone="UTC", time_unit="us") + pl.duration(minutes=15)
    known = published.select(
        ends.alias("target"),
        pl.col("dayaheadforecast").cast(pl.Float64),
        capacity=pl.col("monitoredcapacity").cast(pl.Float64),
    ).unique("target")
    target = pl.col("issue_time") + pl.duration(minutes=pl.col("horizon_min"))
    joined = rows.with_columns(target=target).join(known, on="target", how="left", maintain_order="left")
    lit = (pl.col("y") > 0) | (pl.col("y_issue") > 0) | (pl.col("dayaheadforecast") > 0)
    return joined.filter(lit).sort("horizon_min", "issue_time")


if __name__ == "__main__":
    sys.exit(main())
