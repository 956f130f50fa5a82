"""A network for each series: a joint network is least accurate for an unusual series."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import QUANTILES, FeatureBlock, Floats, Progress
from power_nowcast.contracts.progress import Pace
from power_nowcast.errors import ConfigurationError
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder
from power_nowcast.models.networks.encoding import Encoder, Stack
from power_nowcast.models.networks.neural import Mlp

INPUTS_AT_ONCE = 1_000_000
"""Limit of the inputs that are encoded in one call: a nowcast encodes all series, a backtest one after the other."""


@dataclass(frozen=True)
class _Job:
    """The input of a worker that trains the network of one series."""

    network: Mlp
    train: Examples
    valid: Examples


class MlpLocal(Model):
    """Separate networks, each with the features of its own series and the recent ramps of the others.

    `options` are the options of the joint network; `by_series` has the options of single series by name, which come
    first.

    Raises:
        ConfigurationError: `by_series` names a series that the model does not have.
    """

    kind: ClassVar[str] = "mlp_local"
    libraries = Mlp.libraries

    def __init__(
        self, series: tuple[str, ...], knots: tuple[int, ...], options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(series, knots)
        common = {"without": (), **(options or {})}
        by_series = common.pop("by_series", {})
        if unknown := sorted(set(by_series) - set(series)):
            raise ConfigurationError(
                f"Options are given to {', '.join(unknown)}, which the model does not have.",
                remedy=f"It has: {', '.join(series)}.",
                kind=self.kind,
                names=unknown,
            )
        self.common = common
        self.networks = tuple(Mlp((name,), knots, common | dict(by_series.get(name, {}))) for name in series)
        self._stacks: dict[tuple[str, ...], Stack] = {}

    @classmethod
    def of(cls, series: tuple[str, ...], knots: tuple[int, ...], **options: Any) -> Self:
        """A model with the options that are not None."""
        return cls(series, knots, {name: value for name, value in options.items() if value is not None})

    @classmethod
    def missing(cls) -> tuple[str, ...]:
        return Mlp.missing()

    def fit(
        self, train: Examples, valid: Examples, *, executor: Executor | None = None, progress: Progress = lambda _: None
    ) -> tuple[FitReport, Floats]:
        jobs = [self._job(train, valid, s) for s in range(len(self.series))]
        for job in jobs if executor else ():
            # Several trainings run in parallel processes, so each uses one thread.
            job.network.threads = 1
        results = executor.map(_fitted, jobs) if executor else map(_fitted, jobs)
        report, networks, answers, pace = FitReport(), [], [], Pace(len(self.series))
        for name, (network, told, held_out) in zip(self.series, results, strict=True):
            networks.append(network)
            answers.append(held_out)
            report.curves.update({f"{name}/{part}": losses for part, losses in told.curves.items()})
            report.metrics.update({f"{name}/{part}": value for part, value in told.metrics.items()})
            progress(f"{self.kind}: {name} trained ({len(networks)} of {len(self.series)}){pace.next()}")
        self.networks = tuple(networks)
        self._stacks.clear()
        return report, np.concatenate(answers, axis=1)

    def _job(self, train: Examples, valid: Examples, s: int) -> _Job:
        network = self.networks[s]
        network.checkpoints = self.checkpoints and self.checkpoints / f"series-{s}"
        parts = (Examples(part.block.only((self.series[s],)), part.outcome_mw[:, [s]]) for part in (train, valid))
        return _Job(network, *parts)

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        out = np.empty((*block.origin_mw.shape, len(self.knots), len(QUANTILES)))
        networks = [self.networks[self.series.index(name)] for name in block.series]
        for places in encoded_together([network.trained for network in networks], len(out)):
            inputs = self._stack(tuple(block.series[at] for at in places)).encode(block.x[:, places])
            for at, own in zip(places, inputs, strict=True):
                out[:, at] = networks[at].run(own)[:, 0]
        unit = np.array([network.unit[0] for network in networks]) * block.scale_mw[..., None]
        return np.asarray(block.origin_mw[..., None, None] + out * unit[..., None])

    def _stack(self, names: tuple[str, ...]) -> Stack:
        if names not in self._stacks:
            self._stacks[names] = Stack([self.networks[self.series.index(name)].trained for name in names])
        return self._stacks[names]

    def save(self, folder: Path) -> None:
        for s, network in enumerate(self.networks):
            (folder / f"series-{s}").mkdir()
            network.save(folder / f"series-{s}")

    @classmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        model = cls(series, knots)
        model.networks = tuple(Mlp.load(folder / f"series-{s}", (name,), knots) for s, name in enumerate(series))
        return model

    @property
    def params(self) -> dict[str, Any]:
        told = [network.params for network in self.networks]
        common = max(told, key=told.count)
        own = {
            name: {key: value for key, value in params.items() if common.get(key) != value}
            for name, params in zip(self.series, told, strict=True)
            if params != common
        }
        return {**common, "model": self.kind, **({"by_series": own} if own else {})}

    @property
    def configuration(self) -> dict[str, Any]:
        return {**Mlp(self.series, self.knots, self.common).configuration, "by_series": {}}


def encoded_together(encoders: Sequence[Encoder], issues: int) -> Iterator[list[int]]:
    """Places of encoders that encode so many issue times in one call."""
    groups: dict[Hashable, list[int]] = {}
    for at, encoder in enumerate(encoders):
        groups.setdefault(Stack.layout(encoder), []).append(at)
    for places in groups.values():
        size = max(1, INPUTS_AT_ONCE // max(1, issues * encoders[places[0]].inputs))
        yield from (places[first : first + size] for first in range(0, len(places), size))


def _fitted(job: _Job) -> tuple[Mlp, FitReport, Floats]:
    report, held_out = job.network.fit(job.train, job.valid)
    return job.network, report, held_out
