#!/usr/bin/env python3
"""Accuracy on Belgium's solar power: the protocol `elia-solar-2023`.

Trains on targets before 2023 and nowcasts every quarter hour of the year. FOLDER holds `elia_solar_BE_*.csv.gz`.
"""

import sys
from pathlib import Path

import polars as pl
from protocol import CLOSE, Protocol, finish, parser, predict, with_folder, within

from power_nowcast.regions import Region, load

PROTOCOL = Protocol(
    series=("SOLAR",),
    horizons_min=(15, 30, 45, 60),
    train_end="2023-01-01 00:00",
    first="2023-01-01 00:00",
    last="2023-12-31 22:45",
    issue_every_min=15,
    train_every_min=15,
    valid_days=365,
    members={
        "mlp": {"epochs": 10, "networks": 2},
        "lightgbm": {"learning_rate": 0.03, "n_estimators": 1200, "num_leaves": 63, "min_child": 30, "colsample": 0.3},
    },
)
"""Members and their options; they were chosen on 2022, with training on 2020 and 2021."""
HORIZONS = tuple(("SOLAR", horizon) for horizon in PROTOCOL.horizons_min)
NMAE = dict(zip(HORIZONS, (0.385, 0.71, 1.00, 1.26), strict=True))
PINBALL = dict(zip(HORIZONS, (9.8, 17.7, 24.9, 31.4), strict=True))
REGION = Path(__file__).parent / "regions" / "elia-solar-files.toml"


def region(folder: Path) -> Region:
    """Belgium's solar power, with the publisher's files below `folder`."""
    return with_folder(load(REGION), folder)


def main() -> int:
    made = parser(PROTOCOL, __doc__ or "")
    made.set_defaults(model="ensemble")
    options = made.parse_args()
    predictions, truth_rows, seconds = predict(region(options.data), PROTOCOL, options)
    expected = daylight(truth_rows, options.data)
    bars = [
        ("nMAE in percent", within(NMAE, "nMAE")),
        ("pinball in MW", within(PINBALL, "pinball")),
        CLOSE,
    ]
    return finish(PROTOCOL, predictions, expected, seconds, options, bars)


def daylight(rows: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Pairs in daylight, with the capacity at the target: output (then or at the issue time) or forecast is above 0."""
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
