"""Which of several nowcasts is significantly better: paired losses, by series, horizon and local hour."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import Floats, Nowcasts, Panel
from power_nowcast.contracts.times import aware
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.evaluate.backtest import truth
from power_nowcast.evaluate.inference import PairedTest, diebold_mariano, holm
from power_nowcast.features.local_time import offsets_minutes
from power_nowcast.regions import Region
from power_nowcast.scoring import pinball_losses

LOSSES = ("absolute error", "pinball")
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """Every other run against the reference, on the pairs that all of them answered.

    A difference is a run's mean loss minus the reference's, in percent of the reference's: negative is better than the
    reference. `low` and `high` bound its 95 % interval. `p` is the p-value of the Diebold-Mariano test, `p_holm` the
    same adjusted for its family: all tests of one table and one loss.
    """

    region: str
    title: str
    timezone: str
    unit: str
    reference: str
    others: tuple[str, ...]
    series: tuple[str, ...]
    steps_minutes: tuple[int, ...]
    quantiles: tuple[float, ...]
    first: datetime
    last: datetime
    issues: int
    pairs: int
    overall: pl.DataFrame
    """Columns run, loss; the plain mean over series and horizons of the differences in percent."""
    cells: pl.DataFrame
    """Columns run, loss, series, horizon_min; mean losses in MW."""
    hours: pl.DataFrame
    """Columns run, loss, series, hour: local hours of the target, all horizons together; a day is one observation."""

    def row(self, run: str, loss: str, series: str | None = None, horizon_min: int | None = None) -> dict[str, Any]:
        """A row of `cells`, or of `overall` where no series is named."""
        table = self.overall if series is None else self.cells
        found = table.filter((pl.col("run") == run) & (pl.col("loss") == loss))
        if series is not None:
            found = found.filter((pl.col("series") == series) & (pl.col("horizon_min") == horizon_min))
        return found.row(0, named=True)

    def tests(self, table: str) -> int:
        """Size of the family that p-values of `cells` or `hours` are adjusted for."""
        frame = self.cells if table == "cells" else self.hours
        return int(frame.filter((pl.col("loss") == LOSSES[0]) & pl.col("p").is_not_null()).height)

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {
            "region": self.region,
            "reference": self.reference,
            "runs": list(self.others),
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "issue_times": self.issues,
            "pairs": self.pairs,
            "quantiles": list(self.quantiles),
            "family": {name: self.tests(name) for name in ("cells", "hours")},
            **{name: getattr(self, name).to_dicts() for name in ("overall", "cells", "hours")},
        }


def compare(runs: Mapping[str, Nowcasts], panel: Panel, region: Region) -> Comparison:
    """Compare nowcasts of the same region, pair by pair; the first of `runs` is the reference.

    A pair counts if every run answered all levels that the runs have in common, and if the values at the issue time
    and at the target are published.

    Args:
        runs: by name, two or more.
        panel: holds the truth.
        region: the runs' region.

    Raises:
        ConfigurationError: fewer than two runs, or they have no median in common.
        MissingDataError: they have no pair in common.
    """
    if len(runs) < 2:
        raise ConfigurationError("One run alone cannot be compared.", remedy="Name two or more.", runs=list(runs))
    found = _aligned(runs)
    first = next(iter(found.values()))
    known = set(panel.series)
    if unknown := [name for name in first.series if name not in known]:
        raise ConfigurationError(
            f"{region.name} has no series {', '.join(unknown)}.",
            remedy="Compare runs of one region, and name it: --region.",
            series=unknown,
        )
    columns = [panel.series.index(name) for name in first.series]
    actual = truth(panel, region, first.issue_times, first.steps_minutes)[:, columns]
    at_issue = truth(panel, region, first.issue_times, (0,), nights=True)[:, columns]
    used = np.isfinite(actual) & np.isfinite(at_issue)
    for one in found.values():
        used &= np.isfinite(one.values).all(axis=-1)
    if not used.any():
        raise _nothing_in_common(runs)
    some = used.any(axis=(1, 2))
    actual, used, issues = actual[some], used[some], first.issue_times[some]
    losses = {name: _losses(actual, one.values[some], one.quantiles) for name, one in found.items()}
    reference, *others = losses
    clock = _Clock.of(issues, first.steps_minutes, region.timezone)
    tables: dict[str, list[dict[str, Any]]] = {"overall": [], "cells": [], "hours": []}
    for name in others:
        for loss in LOSSES:
            own, theirs = losses[name][loss], losses[reference][loss]
            head = {"run": name, "loss": loss}
            tables["overall"].append(head | _overall(own, theirs, used, first.steps_minutes, clock.spacing))
            for s, series in enumerate(first.series):
                for h, step in enumerate(first.steps_minutes):
                    chosen = used[:, s, h]
                    pair = own[chosen, s, h], theirs[chosen, s, h]
                    where = {"series": series, "horizon_min": step}
                    tables["cells"].append(head | where | _tested(*pair, -(-step // clock.spacing)))
                for hour in range(24):
                    days = clock.by_day(hour, used[:, s], own[:, s], theirs[:, s])
                    tables["hours"].append(head | {"series": series, "hour": hour} | _tested(*days, 1, overlap=1))
    return Comparison(
        region=region.name,
        title=region.title,
        timezone=region.timezone,
        unit=region.unit,
        reference=reference,
        others=tuple(others),
        series=first.series,
        steps_minutes=first.steps_minutes,
        quantiles=first.quantiles,
        first=aware(issues[0]),
        last=aware(issues[-1]),
        issues=len(issues),
        pairs=int(used.sum()),
        **{name: _table(rows) for name, rows in tables.items()},
    )


@dataclass(frozen=True)
class _Clock:
    """Local time of every target: `day` and `hour` have the shape (issue, step)."""

    spacing: int
    day: NDArray[np.int64]
    hour: NDArray[np.int64]

    @classmethod
    def of(cls, issues: NDArray[np.datetime64], steps_minutes: tuple[int, ...], timezone: str) -> "_Clock":
        target = issues[:, None] + np.array(steps_minutes, "timedelta64[m]")
        flat, inverse = np.unique(target, return_inverse=True)
        minutes = (flat.astype(np.int64) + offsets_minutes(flat, timezone))[inverse].reshape(target.shape)
        day = minutes // 1440
        spacing = int(np.diff(issues).astype(np.int64).min()) if len(issues) > 1 else max(steps_minutes)
        return cls(spacing, day - day.min(), minutes // 60 % 24)

    def by_day(
        self, hour: int, used: NDArray[np.bool_], own: Floats, theirs: Floats
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean losses of one local hour for every day that has any, each of shape (day,)."""
        chosen = used & (self.hour == hour)
        day = self.day[chosen]
        counts = np.bincount(day)
        some = counts > 0
        sums = (np.bincount(day, weights=loss[chosen])[some] / counts[some] for loss in (own, theirs))
        return next(sums), next(sums)


def _aligned(runs: Mapping[str, Nowcasts]) -> dict[str, Nowcasts]:
    """The same issue times, series, steps and levels of each."""
    first = next(iter(runs.values()))
    issues, series, steps, levels = first.issue_times, first.series, first.steps_minutes, first.quantiles
    for one in runs.values():
        issues = np.intersect1d(issues, one.issue_times)
        series = tuple(name for name in series if name in one.series)
        steps = tuple(step for step in steps if step in one.steps_minutes)
        levels = tuple(level for level in levels if level in one.quantiles)
    if 0.5 not in levels:
        raise ConfigurationError(
            "The runs have no median in common.", remedy="Write q50, the median, into every file.", levels=levels
        )
    if not (len(issues) and series and steps):
        raise _nothing_in_common(runs)
    aligned = {}
    for name, one in runs.items():
        grid = np.ix_(
            np.searchsorted(one.issue_times, issues),
            [one.series.index(entry) for entry in series],
            [one.steps_minutes.index(step) for step in steps],
            [one.quantiles.index(level) for level in levels],
        )
        aligned[name] = Nowcasts(one.region, issues, series, steps, one.values[grid], levels)
    return aligned


def _nothing_in_common(runs: Mapping[str, Nowcasts]) -> MissingDataError:
    return MissingDataError(
        "The runs share no issue time, series and horizon whose value is published.",
        remedy="Compare backtests of the same period and region, and ingest it: nowcast ingest.",
        runs=list(runs),
    )


def _losses(actual: Floats, values: Floats, levels: tuple[float, ...]) -> dict[str, NDArray[np.float64]]:
    """Losses in MW by name, each of shape (issue, series, step)."""
    absolute = np.abs(values[..., levels.index(0.5)] - actual)
    return dict(zip(LOSSES, (absolute, pinball_losses(actual, values, levels).mean(axis=-1)), strict=True))


def _tested(own: Floats, theirs: Floats, steps_ahead: int, **options: int) -> dict[str, Any]:
    base = float(theirs.mean()) if len(theirs) else float("nan")
    means = {"reference_mw": base, "run_mw": float(own.mean()) if len(own) else float("nan")}
    return means | _percent(diebold_mariano(own - theirs, steps_ahead, **options), base)


def _percent(test: PairedTest, base: float) -> dict[str, Any]:
    scale = 100 / base if base > 0 else float("nan")
    bounds = {"difference": test.mean * scale, "low": test.low * scale, "high": test.high * scale}
    return {"n": test.n} | bounds | {"statistic": test.statistic, "p": test.p}


def _overall(
    own: Floats, theirs: Floats, used: NDArray[np.bool_], steps_minutes: tuple[int, ...], spacing: int
) -> dict[str, Any]:
    """The mean of the relative differences of all series and horizons.

    The differences are summed over the pairs of an issue time, so that an error that hits everything at once counts as
    one event. Each pair has a weight of one over its cell's number of pairs.
    """
    counts = used.sum(axis=0)
    base = np.where(used, theirs, 0.0).sum(axis=0) / np.maximum(counts, 1)
    cells = (counts > 0) & (base > 0)
    if not cells.any():
        return _percent(diebold_mariano(np.zeros(len(used))), 1.0)
    weight = np.where(cells, len(used) / np.maximum(counts, 1) / np.where(cells, base, 1.0), 0.0) / cells.sum()
    by_issue = (np.where(used, own - theirs, 0.0) * weight).sum(axis=(1, 2))
    return _percent(diebold_mariano(by_issue, -(-max(steps_minutes) // spacing)), 1.0)


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows with `p_holm`, adjusted within each loss; what is not a number is null."""
    table = pl.DataFrame(rows).with_columns(pl.selectors.float().fill_nan(None))
    parts = [
        part.with_columns(p_holm=pl.Series(holm(part["p"].fill_null(float("nan")).to_list())).fill_nan(None))
        for part in table.partition_by("loss", maintain_order=True)
    ]
    order = {name: i for i, name in enumerate(table["run"].unique(maintain_order=True))}
    return pl.concat(parts).sort(pl.col("run").replace_strict(order), maintain_order=True)
