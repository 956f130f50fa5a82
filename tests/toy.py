"""A small region with made-up load, and bundles trained on it in well under a second."""

import numpy as np
import polars as pl

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import Origin, examples, train_bundle
from power_nowcast.contracts import Panel
from power_nowcast.features.rows import from_rows
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.kinds import create
from power_nowcast.regions import Region

START = np.datetime64("2024-03-01T00:00", "m")
DAYS = 60


def toy_region(name: str = "toy", model: str = "toy-nowcast") -> Region:
    return Region.model_validate(
        {
            "name": name,
            "title": "Toyland",
            "timezone": "America/New_York",
            "interval_minutes": 30,
            "model": model,
            "total": "ALL",
            "zones": [
                {"name": "N.E.", "latitude": 42.6, "longitude": -73.7, "max_mw": 5000},
                {"name": "SOUTH 1", "latitude": 40.6, "longitude": -73.7, "max_mw": 5000},
            ],
            "holidays": {"country": "US", "subdivision": "NY"},
            "power": {"source": "files"},
            "weather": {"source": "files", "variables": ["KTOY.temperature_c"]},
        }
    )


def toy_rows(days: int = DAYS, seed: int = 1) -> pl.DataFrame:
    """Wide rows every 30 minutes, `valid_at` as ISO text."""
    rng = np.random.default_rng(seed)
    times = START + np.arange(days * 48) * np.timedelta64(30, "m")
    hour = np.arange(len(times)) / 2
    day = np.sin(2 * np.pi * (hour - 15) / 24) + 0.3 * np.sin(2 * np.pi * hour / 168)
    noise = rng.normal(size=(2, len(times))).cumsum(axis=1) * 2
    return pl.DataFrame(
        {
            "valid_at": [f"{time}:00Z" for time in times.astype(str)],
            "N.E.": 1000 + 200 * day + noise[0] + rng.normal(size=len(times)) * 5,
            "SOUTH 1": 2500 + 500 * day + noise[1] + rng.normal(size=len(times)) * 10,
            "KTOY.temperature_c": 10 + 5 * day,
        }
    )


def toy_panel(region: Region, days: int = DAYS, seed: int = 1) -> Panel:
    return from_rows(region, toy_rows(days, seed))


def toy_bundle(region: Region, *, kind: str = "persistence_ramp", seed: int = 1, **options: object) -> Bundle:
    panel = toy_panel(region, seed=seed)
    spec = FeatureSpec.for_interval(30)
    issues = panel.times[44 * 48 :: 3]
    known = examples(panel, region, issues, spec)
    cut = START + np.timedelta64(53, "D")
    model = create(kind, region.series, spec.knots, **options)
    bundle, _ = train_bundle(
        region,
        spec,
        model,
        known.during(issues[0], cut, 90),
        known.during(cut, issues[-1], 90),
        origin=Origin("0" * 40, "d" * 64),
    )
    return bundle
