"""From features to the standardised inputs of a network: one row for each issue time, with all series."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats
from power_nowcast.errors import ModelError
from power_nowcast.features.families import family_of
from power_nowcast.models.files import finite

CYCLES = {"minute_of_day": 1440.0}
"""Periodic features with their period: sines and cosines replace them."""
HARMONICS = 12
"""Periods down to two hours, because mornings are steep. Each is used once for all days and once for working days."""
WORKDAY = ("day_type", 0)
CODES = {"weekday": range(1, 8), "day_type": range(4), "day_type_tomorrow": range(4)}
"""Categorical features with their values: one input for each value."""
VALUES = {name: np.array(values) for name, values in CODES.items()}
TURNS = np.arange(1, HARMONICS + 1)
LIMIT = 8.0
"""Standardised inputs are clipped to this, which limits the effect of values outside the training range."""
SAMPLE = 2000
"""Number of rows used to find columns that are the same for every series."""
RAMP = re.compile(r"ramp_(\d+)m")
AHEAD = re.compile(r"(.+)_h(\d+)")


@dataclass(frozen=True, eq=False)
class Places:
    """The positions in a row of inputs for a network of sequences: first the `own` inputs of each series, one series
    after the other, then the shared inputs.

    Among the own inputs, `past` are the positions of recent ramps over `spans` minutes, the shortest first; their mean
    and spread have shape (series, span). `future` (knot, feature) are the positions of features known ahead for each
    knot, and `present` the positions of the other own inputs.
    """

    series: int
    knots: int
    own: int
    spans: tuple[int, ...]
    past: tuple[int, ...]
    past_mean: NDArray[np.float64]
    past_spread: NDArray[np.float64]
    present: tuple[int, ...]
    future: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, eq=False)
class Encoder:
    """The selection of features as inputs, and their scale.

    Inputs are, in order, the `own` features of each series, then the shared features once. Ramps of neighbours that are
    series themselves are left out, because their own ramps are inputs already. An unknown input is 0, the mean.
    """

    names: tuple[str, ...]
    series: int
    own: tuple[int, ...]
    shared: tuple[int, ...]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    @classmethod
    def of(cls, block: FeatureBlock, without: Collection[str] = ()) -> Self:
        """The encoder for blocks like this one, with its scale, without the families `without`."""
        rows = np.flatnonzero(np.isfinite(block.origin_mw).all(axis=1))
        sample = block.x[rows[:: max(1, len(rows) // SAMPLE)]]
        same = (sample == sample[:, :1]) | (np.isnan(sample) & np.isnan(sample[:, :1]))
        common = same.all(axis=(0, 1)) if len(block.series) > 1 else np.zeros(len(block.names), bool)
        beside = tuple(f"[{name}]" for name in block.series)
        kept = [n for n, name in enumerate(block.names) if not name.endswith(beside) and family_of(name) not in without]
        named = {n for n in kept if block.names[n] in CYCLES or block.names[n] in CODES}
        shared = tuple(n for n in kept if common[n] or n in named)
        own = tuple(n for n in kept if n not in shared)
        raw = cls(block.names, len(block.series), own, shared, np.zeros(1), np.ones(1))
        values = raw._columns(block)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(values)
            count = np.maximum(known.sum(axis=0), 1)
            mean = np.where(known, values, 0.0).sum(axis=0) / count
            spread = np.sqrt(np.where(known, values - mean, 0.0).__pow__(2).sum(axis=0) / count)
        return cls(block.names, len(block.series), own, shared, mean, np.where(spread > 0, spread, 1.0))

    @property
    def inputs(self) -> int:
        return len(self.mean)

    def places(self, knots: tuple[int, ...]) -> Places:
        """The positions of inputs for a network over these knots."""
        names = [self.names[n] for n in self.own]
        ramps = sorted((int(found[1]), k) for k, name in enumerate(names) if (found := RAMP.fullmatch(name)))
        past = tuple(k for _, k in ramps)
        ahead = {name: k for k, name in enumerate(names) if AHEAD.fullmatch(name)}
        kinds = dict.fromkeys(AHEAD.sub(r"\1", name) for name in ahead)
        whole = [kind for kind in kinds if all(f"{kind}_h{knot}" in ahead for knot in knots)]
        border = self.series * len(self.own)
        mean, spread = (values[:border].reshape(self.series, -1)[:, past] for values in (self.mean, self.spread))
        return Places(
            series=self.series,
            knots=len(knots),
            own=len(self.own),
            spans=tuple(span for span, _ in ramps),
            past=past,
            past_mean=mean,
            past_spread=spread,
            present=tuple(k for k in range(len(names)) if k not in ahead.values()),
            future=tuple(tuple(ahead[f"{kind}_h{knot}"] for kind in whole) for knot in knots),
        )

    def encode(self, block: FeatureBlock) -> NDArray[np.float32]:
        """Inputs of every issue time, shape (issue, input)."""
        return _standardised(self._columns(block), self.mean, self.spread)

    @cached_property
    def shares(self) -> "Shares":
        """The positions of the shared inputs."""
        return Shares.of(tuple(self.names[n] for n in self.shared), self.series * len(self.own))

    @cached_property
    def _taken(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The own and the shared features as arrays, which NumPy takes faster than tuples."""
        return np.array(self.own, np.intp), np.array(self.shared, np.intp)

    def _columns(self, block: FeatureBlock) -> Floats:
        own, common = self._taken
        # From the first series that has them: a series without an origin has no features at all.
        first = np.isfinite(block.origin_mw).argmax(axis=1)
        shared = block.x[np.arange(len(first)), first].take(common, axis=1)
        return self.shares.columns(block.x.take(own, axis=2).reshape(len(first), -1), shared)

    def to_json(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "series": self.series,
            "own": list(self.own),
            "shared": list(self.shared),
            "mean": self.mean.tolist(),
            "spread": self.spread.tolist(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The encoder from the values of `to_json`.

        Raises:
            ModelError: an input uses a feature that does not exist, or a scale is not finite.
        """
        names, own, shared = (tuple(values[key]) for key in ("names", "own", "shared"))
        if not {*own, *shared} <= set(range(len(names))):
            raise ModelError("The network reads features that do not exist.", remedy="Train it again.")
        mean = finite(values["mean"])
        return cls(names, int(values["series"]), own, shared, mean, finite(values["spread"], mean.shape))


@dataclass(frozen=True, eq=False)
class Shares:
    """The positions of shared inputs: from `begin` to `end`, with unchanged `plain` features at `places` and each of
    the `named` (feature, name, slice) at its slice. `kind` is the feature of the kind of day.
    """

    names: tuple[str, ...]
    begin: int
    end: int
    plain: NDArray[np.int64]
    places: NDArray[np.int64]
    named: tuple[tuple[int, str, slice], ...]
    kind: int

    @classmethod
    def of(cls, names: tuple[str, ...], begin: int) -> Self:
        sizes = [4 * HARMONICS if name in CYCLES else len(CODES.get(name, "1")) for name in names]
        at = begin + np.cumsum([0, *sizes])
        named = [n for n, name in enumerate(names) if name in CYCLES or name in CODES]
        plain = np.delete(np.arange(len(names)), named)
        slices = tuple((n, names[n], slice(int(at[n]), int(at[n + 1]))) for n in named)
        return cls(names, begin, int(at[-1]), plain, at[plain], slices, names.index(WORKDAY[0]))

    def columns(self, own: NDArray[np.float32], shared: NDArray[np.float32]) -> NDArray[np.float64]:
        """Inputs before their scale (row, input), from own and shared features (row, feature)."""
        out = np.empty((len(own), self.end))
        out[:, : self.begin] = own
        out[:, self.places] = shared[:, self.plain]
        workday = shared[:, self.kind, None] == WORKDAY[1]
        for k, name, at in self.named:
            value = shared[:, k, None].astype(np.float64)
            if name in CYCLES:
                angle = 2 * np.pi * value / CYCLES[name] * TURNS
                waves = out[:, at.start : at.start + 2 * HARMONICS]
                waves[:, :HARMONICS], waves[:, HARMONICS:] = np.sin(angle), np.cos(angle)
                np.multiply(waves, workday, out=out[:, at.start + 2 * HARMONICS : at.stop])
            else:
                out[:, at] = np.where(np.isnan(value), np.nan, value == VALUES[name])
        return out


class Stack:
    """Encoders of one series each that have as many own inputs and the same shared ones, and encode in one call: for
    one row, the overhead of a call is larger than its work.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.inputs = encoders[0].inputs
        self._shares = encoders[0].shares
        self._own, self._shared = (
            np.array([places(one) for one in encoders], np.intp)[:, None]
            for places in (attrgetter("own"), attrgetter("shared"))
        )
        self._mean, self._spread = (
            np.array([scale(one) for one in encoders])[:, None] for scale in (attrgetter("mean"), attrgetter("spread"))
        )

    @staticmethod
    def layout(encoder: Encoder) -> tuple[int, tuple[str, ...]]:
        """What encoders of one stack have in common."""
        return len(encoder.own), encoder.shares.names

    def encode(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Inputs (series, issue, input) from the features (issue, series, feature) of the encoders' series."""
        by_series = x.swapaxes(0, 1)
        own, shared = (np.take_along_axis(by_series, places, axis=2) for places in (self._own, self._shared))
        columns = self._shares.columns(*(part.reshape(-1, part.shape[2]) for part in (own, shared)))
        return _standardised(columns.reshape(*own.shape[:2], -1), self._mean, self._spread)


def _standardised(values: Floats, mean: Floats, spread: Floats) -> NDArray[np.float32]:
    values = (values - mean) / spread
    values[np.isnan(values)] = 0.0
    return np.clip(values, -LIMIT, LIMIT, out=values).astype(np.float32)
