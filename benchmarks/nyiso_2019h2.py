#!/usr/bin/env python3
"""Accuracy on New York's load: the protocol `nyiso-2019h2`, from the publisher's archives to scored predictions.

Trains on targets before 2019-07-01 and nowcasts every quarter hour of the half-year after, without a refit. FOLDER
holds `pal/*pal_csv.zip`, `isolf/*isolf_csv.zip` and `weather/klga_observations_*.csv.gz`.
"""

import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
from protocol import CALIBRATED, CLOSE, Protocol, finish, parser, predict, within

from power_nowcast.features.spec import FeatureSpec
from power_nowcast.ingest.catalog import with_source
from power_nowcast.models.ensemble import DEFAULT
from power_nowcast.regions import Region, load

PROTOCOL = Protocol(
    series=("NYCA", "N.Y.C.", "NORTH"),
    horizons_min=(15, 30, 45, 60),
    train_end="2019-07-01 00:00",
    first="2019-07-01 00:00",
    last="2019-12-31 22:45",
    issue_every_min=15,
    train_every_min=5,
    valid_days=90,
    members={
        **DEFAULT,
        "mlp_local": {**DEFAULT["mlp_local"], "by_series": {"NORTH": {"learning_rate": 1e-3, "networks": 2}}},
    },
)
"""NORTH, whose plants switch on and off, has its own options, which were chosen on January to June 2019."""


def region(folder: Path) -> Region:
    """New York, with the publisher's archives below `folder`."""
    return with_source(load("nyiso"), "nyiso", folder=str(folder))


def main() -> int:
    made = parser(PROTOCOL, __doc__ or "")
    made.set_defaults(model="ensemble")
    made.add_argument("--alone", action="store_true", help="NYCA from its own history, the calendar and weather only")
    options = made.parse_args()
    place = region(options.data)
    protocol, spec, bars = PROTOCOL, None, BARS.get(options.model, [])
    if options.alone:
        protocol = replace(PROTOCOL, series=("NYCA",), members=None)
        bars = [("MAPE in percent", within(_bars(ALONE), "MAPE"))]
        spec = FeatureSpec.for_interval(place.interval_minutes, forecast=False, neighbour_lags=())
    predictions, truth_rows, seconds = predict(place, protocol, options, spec)
    return finish(protocol, predictions, truth_rows, seconds, options, [*bars, *CALIBRATED], cells=place.timezone)


def _bars(table: dict[str, tuple[float, ...]]) -> dict[tuple[str, int], float]:
    return {
        (series, horizon): bar
        for series, values in table.items()
        for horizon, bar in zip(PROTOCOL.horizons_min, values, strict=True)
    }


ALONE = {"NYCA": (0.236, 0.303, 0.374, 0.456)}
BARS = {
    "lightgbm": [
        (
            "MAPE in percent",
            within(_bars({"NYCA": (0.232, 0.295, 0.360, 0.430), "N.Y.C.": (0.278, 0.345, 0.415, 0.495)}), "MAPE"),
        ),
        ("MAE below persistence", within(_bars({"NORTH": (0.10, 0.115, 0.14, 0.175)}), "skill", at_least=True)),
    ],
    "ensemble": [
        (
            "MAPE in percent",
            within(_bars({"NYCA": (0.217, 0.272, 0.326, 0.386), "N.Y.C.": (0.266, 0.329, 0.390, 0.456)}), "MAPE"),
        ),
        ("MAE in MW", within(_bars({"NORTH": (9.27, 11.2, 12.6, 13.7)}), "MAE")),
        (
            "pinball in MW",
            within(
                _bars(
                    {
                        "NYCA": (12.5, 15.9, 19.3, 22.9),
                        "N.Y.C.": (5.31, 6.67, 8.08, 9.55),
                        "NORTH": (3.13, 3.71, 4.07, 4.35),
                    }
                ),
                "pinball",
            ),
        ),
        CLOSE,
        ("each tail .085-.115", pl.col("below").is_between(0.085, 0.115) & pl.col("above").is_between(0.085, 0.115)),
    ],
}
"""The demands on the rows of the table, by model."""


if __name__ == "__main__":
    sys.exit(main())
