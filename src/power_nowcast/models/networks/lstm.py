"""One LSTM for all series over their last ramps; its state joins the calendar and the features known ahead."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from power_nowcast.models.linear import Linear
from power_nowcast.models.networks import mlp
from power_nowcast.models.networks.encoding import Places
from power_nowcast.models.networks.sequences import CHANNELS, Lstm, Past


@dataclass(frozen=True)
class Config(mlp.Config):
    """Sizes; `hidden` is the size of the LSTM's state for each series."""

    layers: int = 2
    hidden: int = 32


class Network(mlp.Network):
    """From inputs (row, input) to quantiles of the ramp (row, series, knot, quantile), in the ramps' units.

    Every series has its own initial state; all other weights of the LSTM are shared. The last states join the inputs of
    the layers.
    """

    def __init__(self, config: Config, start: Linear, places: Places) -> None:
        super().__init__(config, start, places)
        self.past = Past(places)
        self.begin = nn.Parameter(torch.randn(places.series, 2 * config.hidden) * 0.1)
        self.lstm = Lstm(CHANNELS, config.hidden)
        self.joined = nn.Linear(places.series * config.hidden, config.width)

    def enter(self, x: Tensor, noisy: Tensor) -> Tensor:
        ramps = self.past(x)
        if self.training:
            ramps = ramps + self.noise * torch.randn_like(ramps)
        begin, cell = self.begin.expand(x.shape[0], -1, -1).flatten(0, 1).chunk(2, -1)
        _, state, _ = self.lstm(ramps.flatten(0, 1), begin, cell)
        beside: Tensor = self.joined(state.view(x.shape[0], -1))
        return super().enter(x, noisy) + beside
