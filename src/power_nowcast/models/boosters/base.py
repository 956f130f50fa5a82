"""Ramp boosters: for each series one booster of the ramp at every knot, and two boosters of the residuals' spread.

The median is the origin plus the predicted ramp: a linear fit, and what boosters learn of its residuals. The boosters
of the two sides learn the .1 and .9 quantiles of the residuals on hold-out time, with the knot as a further feature.
All quantiles are fixed multiples of these two, and calibration then corrects them.
"""

import json
from abc import abstractmethod
from concurrent.futures import Executor
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from power_nowcast.contracts import QUANTILES, FeatureBlock, Floats, Progress
from power_nowcast.contracts.progress import Pace
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.boosters.config import BoostingConfig
from power_nowcast.models.boosters.series import (
    SIDES,
    Fitted,
    SeriesJob,
    fit_series,
    quantiles_around,
    units,
    with_knot,
    without_scale,
)
from power_nowcast.models.boosters.start import Start
from power_nowcast.models.boosters.trees import no_trees
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder, finite
from power_nowcast.workers import in_threads

STARTS = "linear.json"
"""The linear fits of all series."""


@lru_cache(maxsize=64)
def _columns_of(horizons: tuple[int, ...], knot: int) -> NDArray[np.int64]:
    return np.asarray(np.flatnonzero([horizon in (0, knot) for horizon in horizons]), np.int64)


class BoostedModel(Model):
    """A set of native boosters; a subclass names the library."""

    suffix: ClassVar[str]

    def __init__(self, series: tuple[str, ...], knots: tuple[int, ...], config: BoostingConfig | None = None) -> None:
        super().__init__(series, knots)
        self.config = config or BoostingConfig()
        self.names: tuple[str, ...] = ()
        self.horizons: tuple[int, ...] = ()
        self.scales = np.ones((len(series), len(knots) + len(SIDES)))
        self.starts: list[Start] = []  # [series]; empty for boosters without a linear fit
        self.boosters: list[list[Any]] = []  # [series][knot], the sides last

    @classmethod
    def of(cls, series: tuple[str, ...], knots: tuple[int, ...], **options: Any) -> Self:
        """A model with the known options that are not None."""
        return cls(series, knots, BoostingConfig.of(**options))

    @staticmethod
    @abstractmethod
    def bins(config: BoostingConfig, x: NDArray[np.float32], like: Any) -> Any:
        """The library's table of features (row, feature): with its own bins or, for hold-out rows, those of `like`."""

    @staticmethod
    @abstractmethod
    def fit_one(
        config: BoostingConfig,
        table: Any,
        y: Floats,
        valid: tuple[Any, Floats] | None,
        rounds: int | None,
        level: float | None,
    ) -> Fitted:
        """Train one booster on a table with one thread, with early stopping on `valid` or for exactly `rounds`. It
        learns the centre or, with a `level`, that quantile. Rows without an outcome (NaN) have no weight.
        """

    @staticmethod
    @abstractmethod
    def open(payload: bytes) -> Any:
        """A booster from its native bytes.

        Raises:
            ModelError: a walk through its trees would not end at a leaf, or would read outside of the arrays.
        """

    @staticmethod
    @abstractmethod
    def features(booster: Any) -> int:
        """Number of columns that a booster reads."""

    @staticmethod
    @abstractmethod
    def run(booster: Any, x: NDArray[np.float32]) -> Floats:
        """Predictions of one booster with one thread, shape (row,)."""

    @staticmethod
    @abstractmethod
    def dump(booster: Any) -> bytes:
        """The booster's native bytes."""

    @staticmethod
    @abstractmethod
    def gains(booster: Any, features: int) -> Floats:
        """Total gain of each feature, shape (feature,)."""

    @staticmethod
    @abstractmethod
    def contributions(booster: Any, x: NDArray[np.float32]) -> Floats:
        """TreeSHAP values, shape (row, feature)."""

    @classmethod
    def _predict_payload(cls, payload: bytes, x: NDArray[np.float32]) -> Floats:
        return cls.run(cls.open(payload), x)

    def fit(
        self, train: Examples, valid: Examples, *, executor: Executor | None = None, progress: Progress = lambda _: None
    ) -> tuple[FitReport, Floats]:
        self.names, self.horizons = train.block.names, train.block.horizons
        jobs = [self._job(train, valid, s) for s in range(len(self.series))]
        results = executor.map(fit_series, jobs) if executor else map(fit_series, jobs)
        curves: dict[str, list[float]] = {}
        metrics: dict[str, float] = {}
        quantiles = np.full((*valid.outcome_mw.shape, len(QUANTILES)), np.nan)
        self.starts, self.boosters, pace = [], [], Pace(len(self.series))
        for s, (name, fitted) in enumerate(zip(self.series, results, strict=True)):
            row: list[Any] = []
            for column, one in enumerate((*fitted.ramps, *fitted.sides)):
                self.scales[s, column], payload = without_scale(one.payload)
                row.append(self.open(payload))
            self.boosters.append(row)
            if fitted.start is not None:
                self.starts.append(fitted.start)
            for knot, one in zip(self.knots, fitted.ramps, strict=True):
                curves |= {f"{name}/{knot}min/{part}": losses for part, losses in one.curves.items()}
                metrics[f"rounds/{name}/{knot}min"] = one.rounds
            unit, origin = valid.block.scale_mw[:, s, None, None], valid.block.origin_mw[:, s, None, None]
            quantiles[:, s] = origin + fitted.quantiles * unit
            progress(f"{self.kind}: {name} trained ({s + 1} of {len(self.series)}){pace.next()}")
        return FitReport(curves, metrics), quantiles

    def _job(self, train: Examples, valid: Examples, s: int) -> SeriesJob:
        def rows(block: FeatureBlock) -> NDArray[np.bool_]:
            return np.asarray(np.isfinite(block.origin_mw[:, s]))

        # Training uses only rows whose origin is the issue time: late data mean a longer horizon, not other examples.
        chosen = rows(train.block) & (train.block.age_minutes[:, s] == 0)
        # Samples of many zones have gigabytes: no copy of rows that lie side by side. Others are copied, because sums
        # over rows in another order of memory differ in their last bits.
        fresh = slice(None) if chosen.all() and train.block.x[:, s].flags.c_contiguous else chosen
        kind = type(self)
        return SeriesJob(
            self.config,
            kind.bins,
            kind.fit_one,
            kind._predict_payload,
            self.knots,
            tuple(self._columns(knot) for knot in self.knots),
            self._columns(0),
            train.block.x[fresh, s],
            train.scaled_ramps[fresh, s],
            valid.block.x[:, s],
            valid.scaled_ramps[:, s],
        )

    def _columns(self, knot: int) -> NDArray[np.int64]:
        """The features that the booster of a knot reads; for 0 those that belong to no knot."""
        return np.arange(len(self.names)) if knot and self.config.linear else _columns_of(self.horizons, knot)

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        places = [self.series.index(name) for name in block.series]
        ramps = np.full((*block.origin_mw.shape, len(self.knots)), np.nan)
        line = np.zeros(ramps.shape)
        sides = np.full((*ramps.shape, len(SIDES)), np.nan)
        columns = [self._columns(knot) for knot in self.knots]
        shared = self._columns(0)

        def walk(at: int) -> None:
            known = np.isfinite(block.origin_mw[:, at])
            x = np.ascontiguousarray(block.x[known, at])
            if not len(x):
                return
            boosters = self.boosters[places[at]]
            if self.starts:
                line[known, at] = self.starts[places[at]].ramps(x)
            for k in range(len(self.knots)):
                own = x if self.config.linear else np.ascontiguousarray(x[:, columns[k]])
                ramps[known, at, k] = self.run(boosters[k], own)
            rows = with_knot(x[:, shared], self.knots)
            for n, booster in enumerate(boosters[len(self.knots) :]):
                sides[known, at, :, n] = self.run(booster, rows).reshape(len(x), -1)

        in_threads(walk, range(len(places)), rows=block.origin_mw.size)
        unit = block.scale_mw[..., None]
        ramps = line + ramps * self.scales[places, : len(self.knots)]
        centre = block.origin_mw[..., None] + ramps * unit
        return quantiles_around(centre, units(sides) * self.scales[places, -1, None, None] * unit[..., None])

    def importance(self) -> dict[str, float]:
        """The share of each feature: of the gain of the trees and, as far as it explains the ramps, of the absolute
        standardised weights of the linear fit.
        """
        total = np.zeros(len(self.names))
        for s, row in enumerate(self.boosters):
            for k, knot in enumerate(self.knots):
                columns, explained = self._columns(knot), 0.0
                if self.starts:
                    explained, weights = self.starts[s].explained[k], np.abs(self.starts[s].weights[:, k])
                    total += explained * weights / max(float(np.sum(weights)), 1e-12)
                gains = self.gains(row[k], len(columns))
                total[columns] += (1 - explained) * gains / max(float(np.sum(gains)), 1e-12)
        shares = total / max(float(np.sum(total)), 1e-12)
        return dict(sorted(zip(self.names, map(float, shares), strict=True), key=lambda item: -item[1]))

    def explain(
        self, block: FeatureBlock, series: str, knot: int
    ) -> tuple[tuple[str, ...], NDArray[np.float32], Floats]:
        """Explain the ramp of one series and knot: names, feature values and contributions in MW (row, feature):
        TreeSHAP values of the boosters and Shapley values of the linear fit.
        """
        s, k = self.series.index(series), self.knots.index(knot)
        columns = self._columns(knot)
        whole = block.x[:, block.series.index(series)]
        x = np.ascontiguousarray(whole[:, columns])
        unit = block.scale_mw[:, [block.series.index(series)]]
        shares = self.contributions(self.boosters[s][k], x) * self.scales[s, k]
        if self.starts:
            shares = shares + self.starts[s].contributions(whole, k)[:, columns]
        shares = shares * unit
        return tuple(self.names[c] for c in columns), x, shares

    def save(self, folder: Path) -> None:
        head = {
            "config": asdict(self.config),
            "names": list(self.names),
            "horizons": list(self.horizons),
            "scales": self.scales.tolist(),
        }
        (folder / "boosters.json").write_text(json.dumps(head, indent=1))
        if self.starts:
            (folder / STARTS).write_text(json.dumps([start.to_json() for start in self.starts]))
        for s, row in enumerate(self.boosters):
            for k, booster in enumerate(row):
                (folder / self._file(s, k)).write_bytes(self.dump(booster))

    def _file(self, s: int, k: int) -> str:
        part = f"{self.knots[k]:03d}min" if k < len(self.knots) else list(SIDES)[k - len(self.knots)]
        return f"series{s:02d}-{part}.{self.suffix}"

    @classmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        head = from_json((folder / "boosters.json").read_bytes())
        # The first boosters had no linear fit, and did not say so.
        model = cls(series, knots, BoostingConfig(**({"linear": False} | head["config"])))
        model.names, model.horizons = tuple(head["names"]), tuple(head["horizons"])
        if model.config.linear:
            told = from_json((folder / STARTS).read_bytes())
            model.starts = [Start.from_json(one, len(model.names), len(knots)) for one in told]
            if len(model.starts) != len(series):
                raise no_trees(cls.kind, "it has not a linear fit for each series")
        model.scales = finite(head["scales"], (len(series), len(knots) + len(SIDES)))
        model.boosters = [
            [cls.open((folder / model._file(s, k)).read_bytes()) for k in range(len(knots) + len(SIDES))]
            for s in range(len(series))
        ]
        # The boosters of the sides read the knot and the features that all knots share.
        widths = [*(len(model._columns(knot)) for knot in knots), *[len(model._columns(0)) + 1] * len(SIDES)]
        if any([cls.features(booster) for booster in row] != widths for row in model.boosters):
            raise no_trees(cls.kind, "it reads other features than the model has")
        return model

    @property
    def params(self) -> dict[str, Any]:
        return {"model": self.kind, **self.configuration}

    @property
    def configuration(self) -> dict[str, Any]:
        return asdict(self.config)
