#!/usr/bin/env python3
"""Accuracy on California's demand: trains on 2018-08 to 2019-04, nowcasts every quarter hour (UTC) of 2019-05 to 07.

FOLDER holds the publisher's day files, `raw_daily_demand_csv.tar.xz`.
"""

import sys
from pathlib import Path

import polars as pl
from protocol import Protocol, finish, parser, predict, with_folder, within

from power_nowcast.regions import Region, load

PROTOCOL = Protocol(
    series=("CAISO",),
    horizons_min=(15, 30, 45, 60),
    train_end="2019-05-01 00:00",
    first="2019-05-01 00:00",
    last="2019-07-31 22:45",
    issue_every_min=15,
    train_every_min=5,
    valid_days=60,
)
MAE = {("CAISO", 15): 64.0, ("CAISO", 30): 94.0, ("CAISO", 45): 127.0, ("CAISO", 60): 175.0}
REGION = Path(__file__).parent / "regions" / "caiso-files.toml"


def region(folder: Path) -> Region:
    """California, with the publisher's files below `folder`."""
    return with_folder(load(REGION), folder)


def main() -> int:
    options = parser(PROTOCOL, __doc__ or "").parse_args()
    predictions, truth_rows, seconds = predict(region(options.data), PROTOCOL, options)
    covered = ("coverage of the 10-90 interval .75-.85", pl.col("coverage").is_between(0.75, 0.85))
    return finish(PROTOCOL, predictions, truth_rows, seconds, options, [("MAE in MW", within(MAE, "MAE")), covered])


if __name__ == "__main__":
    sys.exit(main())
