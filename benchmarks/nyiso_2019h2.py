#!/usr/bin/env python3
"""Accuracy on New York's load: the protocol `nyiso-2019h2`, from the publisher's archives to scored predictions.

Trains on targets before 2019-07-01 and nowcasts every quarter hour of the half-year after, without a refit. FOLDER
holds
`pal/*pal_csv.zip`, `isolf/*isolf_csv.zip` and `weather/klga_observations_*.csv.gz`.
"""

import sys

from protocol import CALIBRATED, Protocol, finish, parser, predict, within

from power_nowcast.ingest.fetch import with_source
from power_nowcast.regions import load

PROTOCOL = Protocol(
    series=("NYCA", "N.Y.C.", "NORTH"),
    horizons_min=(15, 30, 45, 60),
    train_end="2019-07-01 00:00",
    first="2019-07-01 00:00",
    last="2019-12-31 22:45",
    issue_every_min=15,
    train_every_min=5,
    valid_days=90,
)
MAPE = {"NYCA": (0.232, 0.295, 0.360, 0.430), "N.Y.C.": (0.278, 0.345, 0.415, 0.495)}
SKILL = {"NORTH": (0.10, 0.115, 0.14, 0.175)}


def main() -> int:
    options = parser(PROTOCOL, __doc__ or "").parse_args()
    region = with_source(load("nyiso"), "nyiso", folder=str(options.data))
    predictions, truth_rows, seconds = predict(region, PROTOCOL, options)
    return finish(
        predictions,
        truth_rows,
        seconds,
        options,
        [
            ("MAPE in percent", within(_bars(MAPE), "MAPE")),
            ("MAE below persistence", within(_bars(SKILL), "skill", at_least=True)),
            *CALIBRATED,
        ],
    )


def _bars(table: dict[str, tuple[float, ...]]) -> dict[tuple[str, int], float]:
    return {
        (series, horizon): bar
        for series, values in table.items()
        for horizon, bar in zip(PROTOCOL.horizons_min, values, strict=True)
    }


if __name__ == "__main__":
    sys.exit(main())
