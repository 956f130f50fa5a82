"""One small network for all series, knots and quantiles: residual layers plus a linear path from input to median."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from power_nowcast.contracts import MEDIAN, QUANTILES
from power_nowcast.models.linear import Linear
from power_nowcast.models.networks.config import TrainingConfig
from power_nowcast.models.networks.encoding import Places

FIRST_STEPS = 0.1
"""Initial scale of the layers' output: it is small, so that training begins at the linear fit."""


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Sizes; `noise` is added to the standardised inputs in training, in their standard deviations."""

    width: int = 256
    layers: int = 3
    dropout: float = 0.3
    noise: float = 0.25


class Residual(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.dropout(nn.functional.silu(self.linear(self.norm(x))))
        return out


class Network(nn.Module):
    """From inputs (row, input) to quantiles of the ramp (row, series, knot, quantile), in the ramps' units.

    It begins as the linear fit `start`.
    """

    def __init__(self, config: Config, start: Linear, places: Places) -> None:
        super().__init__()
        inputs, outputs = start.weights.shape
        self.shape = (-1, places.series, places.knots)
        self.noise = config.noise
        self.first = nn.Linear(inputs, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.Sequential(*(Residual(config.width, config.dropout) for _ in range(config.layers)))
        self.last = nn.Linear(config.width, outputs * len(QUANTILES))
        self.straight = straight(start)
        with torch.no_grad():
            self.last.weight.mul_(FIRST_STEPS)

    def forward(self, x: Tensor) -> Tensor:
        noisy = x + self.noise * torch.randn_like(x) if self.training else x
        hidden = self.layers(self.dropout(nn.functional.silu(self.enter(x, noisy))))
        raw = self.leave(hidden, noisy).view(*self.shape, len(QUANTILES))
        return ordered(raw, raw[..., MEDIAN] + self.straight(noisy).view(self.shape))

    def enter(self, x: Tensor, noisy: Tensor) -> Tensor:  # noqa: ARG002 - subclasses use the inputs without noise
        """The layers' input (row, width), from the inputs without noise and with noise."""
        first: Tensor = self.first(noisy)
        return first

    def leave(self, hidden: Tensor, noisy: Tensor) -> Tensor:  # noqa: ARG002 - subclasses read the inputs again
        """The output for every series, knot and quantile, from the layers (row, width)."""
        last: Tensor = self.last(hidden)
        return last


def straight(start: Linear) -> nn.Linear:
    """The linear fit as a layer, for further training."""
    layer = nn.Linear(*start.weights.shape)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(start.weights.T))
        layer.bias.copy_(torch.from_numpy(start.bias))
    return layer


def ordered(raw: Tensor, median: Tensor) -> Tensor:
    """Quantiles around the median without quantile crossing: each is a positive distance beyond the one before it.

    The widths have no gradient to the median: only its own loss trains it.
    """
    centre = median.detach()[..., None] if median.requires_grad else median[..., None]
    steps = positive(raw)
    above = centre + torch.cumsum(steps[..., MEDIAN + 1 :], -1)
    below = centre - torch.cumsum(steps[..., :MEDIAN].flip(-1), -1).flip(-1)
    return torch.cat([below, median[..., None], above], -1)


def positive(x: Tensor) -> Tensor:
    """A smooth ramp above zero."""
    return (x + torch.sqrt(x * x + 1)) / 2
