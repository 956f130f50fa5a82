"""Ramp boosters: for each series one booster of the ramp at every knot, and two boosters of the residuals' spread.

The median is the origin plus the predicted ramp. The boosters of the two sides learn the .1 and .9 quantiles of the
residuals on hold-out time, with the knot as a further feature. All quantiles are fixed multiples of these two, and
calibration then corrects them.
"""

import json
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import QUANTILES, FeatureBlock, Floats, Progress
from power_nowcast.contracts.progress import Pace
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.boosters.trees import no_trees
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder, finite
from power_nowcast.workers import in_threads

# Quantiles of the standard Laplace distribution in units of its mean absolute deviation: the usual shape of residuals
# of load.
SHAPE = np.array([np.sign(level - 0.5) * -np.log(1 - 2 * abs(level - 0.5)) for level in QUANTILES])
SIDES = {"below": 0.1, "above": 0.9}
"""Names of the boosters of the sides, and the quantile of the residuals that each learns."""
SIDE_PARAMS = {"n_estimators": 150, "num_leaves": 15, "max_depth": 4, "learning_rate": 0.05, "min_child": 200}
ROWS_A_ROUND = 300
"""Boosters of the sides use at most one round for so many residuals: with few residuals they overfit early."""
REACH = SHAPE[QUANTILES.index(SIDES["above"])]
FLOOR = 0.1
"""Minimum unit of `SHAPE` on each side, as a share of the mean absolute error."""


@dataclass(frozen=True)
class BoostingConfig:
    """The usual parameters of both libraries; `num_leaves` is for LightGBM only, `max_depth` for XGBoost only.

    Residuals beyond `huber` standard deviations of the ramp count linearly: the median is robust against steps.
    With `refit` a booster is trained once more on train and valid together, with the rounds from early stopping.
    With more rows than `max_rows`, training uses every second, third, ... row, and so does the hold-out part.
    """

    n_estimators: int = 600
    learning_rate: float = 0.05
    num_leaves: int = 31
    max_depth: int = 6
    min_child: int = 100
    subsample: float = 0.7
    colsample: float = 0.5
    reg_lambda: float = 5.0
    max_bin: int = 63
    huber: float = 0.5
    early_stopping: int = 50
    max_rows: int | None = None
    refit: bool = True
    seed: int = 1

    @classmethod
    def of(cls, **options: Any) -> "BoostingConfig":
        """The defaults, replaced by the known options that are not None."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in options.items() if name in known and value is not None})


@dataclass(frozen=True)
class Fitted:
    """One trained booster in its library's native bytes, with its losses by round."""

    payload: bytes
    rounds: int
    curves: dict[str, list[float]]


type FitOne = Callable[
    [
        BoostingConfig,
        NDArray[np.float32],
        Floats,
        tuple[NDArray[np.float32], Floats] | None,
        int | None,
        float | None,
    ],
    Fitted,
]
type PredictOne = Callable[[bytes, NDArray[np.float32]], Floats]


@dataclass(frozen=True)
class SeriesJob:
    """The input of a worker that trains one series; arrays are (row, feature) and (row, knot)."""

    config: BoostingConfig
    fit: FitOne
    predict: PredictOne
    knots: tuple[int, ...]
    columns: tuple[NDArray[np.int64], ...]
    shared: NDArray[np.int64]
    train_x: NDArray[np.float32]
    train_ramp: Floats
    valid_x: NDArray[np.float32]
    valid_ramp: Floats


@dataclass(frozen=True)
class SeriesFit:
    """The worker's result: boosters of the knots and of the sides, and their joint `quantiles` (row, knot, quantile) on
    the valid rows.
    """

    ramps: tuple[Fitted, ...]
    sides: tuple[Fitted, ...]
    quantiles: Floats


def fit_series(job: SeriesJob) -> SeriesFit:
    """Train one series: a booster for each knot, then the boosters of the sides on out-of-sample residuals."""
    ramps: list[Fitted] = []
    centre = np.full(job.valid_ramp.shape, np.nan)
    for k, columns in enumerate(job.columns):
        train_ok, valid_ok = np.isfinite(job.train_ramp[:, k]), np.isfinite(job.valid_ramp[:, k])
        x, ramp = job.train_x[train_ok][:, columns], job.train_ramp[train_ok, k]
        held_x, held_ramp = job.valid_x[valid_ok][:, columns], job.valid_ramp[valid_ok, k]
        thin = _thinned(len(x), job.config.max_rows)
        scale = float(np.std(ramp[thin])) or 1.0
        booster = job.fit(job.config, x[thin], ramp[thin] / scale, (held_x[thin], held_ramp[thin] / scale), None, None)
        centre[:, k] = job.predict(booster.payload, job.valid_x[:, columns]) * scale
        if job.config.refit:
            x, ramp = np.concatenate([x, held_x]), np.concatenate([ramp, held_ramp])
            thin = _thinned(len(x), job.config.max_rows)
            more = job.fit(job.config, x[thin], ramp[thin] / scale, None, booster.rounds, None)
            booster = replace(more, curves=booster.curves)
        ramps.append(replace(booster, payload=_with_scale(booster.payload, scale)))

    config = BoostingConfig.of(**(asdict(job.config) | SIDE_PARAMS))
    rows = _with_knot(job.valid_x[:, job.shared], job.knots)
    error = (job.valid_ramp - centre).ravel()
    scale = float(np.nanmean(np.abs(error))) or 1.0
    # Thinning drops whole issue times, so that every knot keeps its share.
    learnt = np.zeros(len(job.valid_ramp), bool)
    most = job.config.max_rows
    learnt[_thinned(len(learnt), max(1, most // len(job.knots)) if most else None)] = True
    known = np.isfinite(error) & learnt.repeat(len(job.knots))
    # Alternate weeks: the sides of each half come from the other half, so calibration starts from out-of-sample widths.
    half = (np.arange(len(job.valid_ramp)) * 8 // max(1, len(job.valid_ramp)) % 2).repeat(len(job.knots))
    told = np.full((len(error), len(SIDES)), np.nan)
    sides: list[Fitted] = []
    rounds = max(1, min(config.n_estimators, int(known.sum()) // ROWS_A_ROUND))
    for n, level in enumerate(SIDES.values()):
        parts = [known & (half != 0), known & (half != 1), known]
        one, other, whole = (job.fit(config, rows[part], error[part] / scale, None, rounds, level) for part in parts)
        for part, booster in enumerate((one, other)):
            told[half == part, n] = job.predict(booster.payload, rows[half == part])
        sides.append(replace(whole, payload=_with_scale(whole.payload, scale)))
    unit = _units(told).reshape(*centre.shape, len(SIDES)) * scale
    return SeriesFit(tuple(ramps), tuple(sides), _quantiles(centre, unit))


def _units(sides: Floats) -> Floats:
    """The unit of `SHAPE` below and above (row, side) from the .1 and .9 quantiles of the residuals."""
    return np.asarray(np.maximum(sides * np.array([-1.0, 1.0]) / REACH, FLOOR))


def _quantiles(centre: Floats, unit: Floats) -> NDArray[np.float64]:
    """Quantiles (row, knot, quantile) around a centre (row, knot), with the unit of each side (row, knot, side)."""
    return np.asarray(centre[..., None] + np.where(SHAPE < 0, unit[..., [0]], unit[..., [1]]) * SHAPE)


@lru_cache(maxsize=64)
def _columns_of(horizons: tuple[int, ...], knot: int) -> NDArray[np.int64]:
    return np.asarray(np.flatnonzero([horizon in (0, knot) for horizon in horizons]), np.int64)


def _thinned(rows: int, max_rows: int | None) -> slice:
    return slice(None, None, -(-rows // max_rows) if max_rows else 1)


def _with_knot(x: NDArray[np.float32], knots: tuple[int, ...]) -> NDArray[np.float32]:
    """Rows (row * knot, feature + 1): every row once for each knot, with the knot in the last column."""
    repeated = np.repeat(x, len(knots), axis=0)
    return np.column_stack([repeated, np.tile(np.array(knots, np.float32), len(x))])


def _with_scale(payload: bytes, scale: float) -> bytes:
    return np.float64(scale).tobytes() + payload


def _without_scale(payload: bytes) -> tuple[float, bytes]:
    return float(np.frombuffer(payload[:8], np.float64)[0]), payload[8:]


class BoostedModel(Model):
    """A set of native boosters; a subclass names the library."""

    suffix: ClassVar[str]

    def __init__(self, series: tuple[str, ...], knots: tuple[int, ...], config: BoostingConfig | None = None) -> None:
        super().__init__(series, knots)
        self.config = config or BoostingConfig()
        self.names: tuple[str, ...] = ()
        self.horizons: tuple[int, ...] = ()
        self.scales = np.ones((len(series), len(knots) + len(SIDES)))
        self.boosters: list[list[Any]] = []  # [series][knot], the sides last

    @classmethod
    def of(cls, series: tuple[str, ...], knots: tuple[int, ...], **options: Any) -> Self:
        """A model with the known options that are not None."""
        return cls(series, knots, BoostingConfig.of(**options))

    @staticmethod
    @abstractmethod
    def fit_one(
        config: BoostingConfig,
        x: NDArray[np.float32],
        y: Floats,
        valid: tuple[NDArray[np.float32], Floats] | None,
        rounds: int | None,
        level: float | None,
    ) -> Fitted:
        """Train one booster with one thread, with early stopping on `valid` or for exactly `rounds`. It learns the
        centre or, with a `level`, that quantile.
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
        self.boosters, pace = [], Pace(len(self.series))
        for s, (name, fitted) in enumerate(zip(self.series, results, strict=True)):
            row: list[Any] = []
            for column, one in enumerate((*fitted.ramps, *fitted.sides)):
                self.scales[s, column], payload = _without_scale(one.payload)
                row.append(self.open(payload))
            self.boosters.append(row)
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
        fresh = rows(train.block) & (train.block.age_minutes[:, s] == 0)
        kind = type(self)
        return SeriesJob(
            self.config,
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
        return _columns_of(self.horizons, knot)

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        places = [self.series.index(name) for name in block.series]
        ramps = np.full((*block.origin_mw.shape, len(self.knots)), np.nan)
        sides = np.full((*ramps.shape, len(SIDES)), np.nan)
        columns = [self._columns(knot) for knot in self.knots]
        shared = self._columns(0)

        def walk(at: int) -> None:
            known = np.isfinite(block.origin_mw[:, at])
            x = np.ascontiguousarray(block.x[known, at])
            if not len(x):
                return
            boosters = self.boosters[places[at]]
            for k in range(len(self.knots)):
                ramps[known, at, k] = self.run(boosters[k], np.ascontiguousarray(x[:, columns[k]]))
            rows = _with_knot(x[:, shared], self.knots)
            for n, booster in enumerate(boosters[len(self.knots) :]):
                sides[known, at, :, n] = self.run(booster, rows).reshape(len(x), -1)

        in_threads(walk, range(len(places)), rows=block.origin_mw.size)
        unit = block.scale_mw[..., None]
        centre = block.origin_mw[..., None] + ramps * self.scales[places, : len(self.knots)] * unit
        return _quantiles(centre, _units(sides) * self.scales[places, -1, None, None] * unit[..., None])

    def importance(self) -> dict[str, float]:
        total = np.zeros(len(self.names))
        for row in self.boosters:
            for k, knot in enumerate(self.knots):
                columns = self._columns(knot)
                gains = self.gains(row[k], len(columns))
                total[columns] += gains / max(float(np.sum(gains)), 1e-12)
        shares = total / max(float(np.sum(total)), 1e-12)
        return dict(sorted(zip(self.names, map(float, shares), strict=True), key=lambda item: -item[1]))

    def explain(
        self, block: FeatureBlock, series: str, knot: int
    ) -> tuple[tuple[str, ...], NDArray[np.float32], Floats]:
        """Explain the ramp of one series and knot: names, feature values and TreeSHAP values in MW (row, feature)."""
        s, k = self.series.index(series), self.knots.index(knot)
        columns = self._columns(knot)
        x = np.ascontiguousarray(block.x[:, block.series.index(series)][:, columns])
        unit = block.scale_mw[:, [block.series.index(series)]]
        shares = self.contributions(self.boosters[s][k], x) * self.scales[s, k] * unit
        return tuple(self.names[c] for c in columns), x, shares

    def save(self, folder: Path) -> None:
        head = {
            "config": asdict(self.config),
            "names": list(self.names),
            "horizons": list(self.horizons),
            "scales": self.scales.tolist(),
        }
        (folder / "boosters.json").write_text(json.dumps(head, indent=1))
        for s, row in enumerate(self.boosters):
            for k, booster in enumerate(row):
                (folder / self._file(s, k)).write_bytes(self.dump(booster))

    def _file(self, s: int, k: int) -> str:
        part = f"{self.knots[k]:03d}min" if k < len(self.knots) else list(SIDES)[k - len(self.knots)]
        return f"series{s:02d}-{part}.{self.suffix}"

    @classmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        head = json.loads((folder / "boosters.json").read_text())
        model = cls(series, knots, BoostingConfig(**head["config"]))
        model.names, model.horizons = tuple(head["names"]), tuple(head["horizons"])
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
