#!/usr/bin/env python3
"""Accuracy on the demand of Victoria (Australia): the protocol `victoria-2014`.

Trains on the first 85 % of the year's half hours and nowcasts every half hour of the rest. FOLDER holds
`elecdemand_2014.csv.gz`.
"""

import gzip
import sys
import tempfile
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
MAPE = {("VIC", 30): 0.47, ("VIC", 60): 0.90}


def main() -> int:
    options = parser(PROTOCOL, __doc__ or "").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "demand.csv"
        file.write_bytes(gzip.decompress((options.data / "elecdemand_2014.csv.gz").read_bytes()))
        predictions, truth_rows, seconds = predict(_region(file), PROTOCOL, options)
    bars = [("MAPE in percent", within(MAPE, "MAPE")), COVERED]
    return finish(PROTOCOL, predictions, truth_rows, seconds, options, bars)


def _region(file: Path) -> Region:
    region = load("victoria")
    names = {"demand_mw": "VIC", "temperature_c": "MELBOURNE.temperature_c"}
    shared = {"files": str(file), "columns": {"valid_at": "utc"}, "series": names}
    changed = {}
    for table, others in (("power", ["temperature_c", "workday"]), ("weather", ["demand_mw", "workday"])):
        spec = getattr(region, table)
        changed[table] = spec.model_copy(update={"source": "files", "options": {**shared, "ignore": others}})
    return region.model_copy(update=changed)


if __name__ == "__main__":
    sys.exit(main())
