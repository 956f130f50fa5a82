#!/usr/bin/env python3
"""Accuracy on the demand of Victoria (Australia): the protocol `victoria-2014`.

Trains on the first 85 % of the year's half hours and nowcasts every half hour of the rest. FOLDER holds
`elecdemand_2014.csv.gz`.
"""

import sys
from pathlib import Path

from protocol import COVERED, Protocol, finish, parser, predict, within

from power_nowcast.regions import Region, load

PROTOCOL = Protocol(
    series=("VIC",),
    horizons_min=(30, 60),
    train_end="2014-11-06 20:00",
    first="2014-11-06 20:00",
    last="2014-12-31 13:30",
    issue_every_min=30,
    train_every_min=30,
    valid_days=60,
)
FILE = "elecdemand_2014.csv.gz"
MAPE = {("VIC", 30): 0.47, ("VIC", 60): 0.90}


def region(folder: Path) -> Region:
    """Victoria, with the year's file below `folder`."""
    made = load("victoria")
    names = {"demand_mw": "VIC", "temperature_c": "MELBOURNE.temperature_c"}
    shared = {"files": FILE, "folder": str(folder), "columns": {"valid_at": "utc"}, "series": names}
    changed = {}
    for table, others in (("power", ["temperature_c", "workday"]), ("weather", ["demand_mw", "workday"])):
        spec = getattr(made, table)
        changed[table] = spec.model_copy(update={"source": "files", "options": {**shared, "ignore": others}})
    return made.model_copy(update=changed)


def main() -> int:
    options = parser(PROTOCOL, __doc__ or "").parse_args()
    predictions, truth_rows, seconds = predict(region(options.data), PROTOCOL, options)
    bars = [("MAPE in percent", within(MAPE, "MAPE")), COVERED]
    return finish(PROTOCOL, predictions, truth_rows, seconds, options, bars)


if __name__ == "__main__":
    sys.exit(main())
