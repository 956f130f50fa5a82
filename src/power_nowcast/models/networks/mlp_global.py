"""A global network: shared layers read, for each series, the output of the joint layers and the series' own inputs."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from power_nowcast.contracts import QUANTILES
from power_nowcast.models.linear import Linear
from power_nowcast.models.networks import mlp
from power_nowcast.models.networks.encoding import Places


@dataclass(frozen=True)
class Config(mlp.Config):
    """Sizes; the names for the shared layers begin with `shared`."""

    shared_width: int = 128
    shared_layers: int = 2
    shared_dropout: float = 0.1
    without: tuple[str, ...] = ()


class Network(mlp.Network):
    """From inputs (row, input) to quantiles of the ramp (row, series, knot, quantile), in the ramps' units.

    Every series has its own embedding and linear path; all other weights after the joint layers are shared.
    """

    def __init__(self, config: Config, start: Linear, places: Places) -> None:
        super().__init__(config, start, places)
        width, dropout = config.shared_width, config.shared_dropout
        self.places = places
        self.own = nn.Linear(places.own, width)
        self.common = nn.Linear(len(start.weights) - places.series * places.own, width)
        self.series = nn.Parameter(torch.randn(places.series, width) * 0.1)
        self.told = nn.Linear(config.width, width)
        self.forget = nn.Dropout(dropout)
        self.shared = nn.Sequential(*(mlp.Residual(width, dropout) for _ in range(config.shared_layers)))
        self.last = nn.Linear(width, places.knots * len(QUANTILES))
        with torch.no_grad():
            self.last.weight.mul_(mlp.FIRST_STEPS)

    def leave(self, hidden: Tensor, noisy: Tensor) -> Tensor:
        border = self.places.series * self.places.own
        own, common = noisy[:, :border].view(-1, self.places.series, self.places.own), noisy[:, border:]
        beside = self.common(common) + self.told(hidden)
        begin = nn.functional.silu(self.own(own) + beside[:, None] + self.series)
        last: Tensor = self.last(self.shared(self.forget(begin)))
        return last
