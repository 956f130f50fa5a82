"""A small temporal fusion transformer, one for all series.

It weights its inputs, reads the past and the features known ahead with an LSTM, and attends to the past from every
horizon.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from power_nowcast.contracts import MEDIAN, QUANTILES
from power_nowcast.models.linear import Linear
from power_nowcast.models.networks.config import TrainingConfig
from power_nowcast.models.networks.encoding import Places
from power_nowcast.models.networks.mlp import FIRST_STEPS, ordered, straight
from power_nowcast.models.networks.sequences import CHANNELS, Lstm, Past


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Sizes; `noise` is added to the standardised inputs in training, in their standard deviations."""

    batch_size: int = 512
    hidden: int = 32
    heads: int = 4
    dropout: float = 0.1
    noise: float = 0.25


class Gate(nn.Module):
    """A gated skip connection: the new part passes a gate, is added to the old part, and the sum is normalised."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.value, self.open = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, before: Tensor, new: Tensor) -> Tensor:
        new = self.dropout(new)
        out: Tensor = self.norm(before + torch.sigmoid(self.open(new)) * self.value(new))
        return out


class Gated(nn.Module):
    """A gated residual network; `context` of the same width is added inside."""

    def __init__(self, inputs: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.skip = nn.Linear(inputs, hidden) if inputs != hidden else nn.Identity()
        self.first, self.second = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden)
        self.gate = Gate(hidden, dropout)

    def forward(self, x: Tensor, context: Tensor | float = 0.0) -> Tensor:
        out: Tensor = self.gate(self.skip(x), self.second(nn.functional.silu(self.first(x) + context)))
        return out


class Selection(nn.Module):
    """Variables (..., variable) embedded and summed by weights that depend on all of them and on the context."""

    def __init__(self, variables: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(variables, hidden), nn.Linear(hidden, variables)
        # The weighted sum of linear embeddings is one product, without a tensor of all embeddings.
        self.slopes, self.offsets = nn.Linear(variables, hidden, bias=False), nn.Linear(variables, hidden, bias=False)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        weights = torch.softmax(self.second(nn.functional.silu(self.first(x) + context)), -1)
        out: Tensor = self.slopes(weights * x * x.shape[-1]) + self.offsets(weights)
        return out


class Attention(nn.Module):
    """Attention of each horizon to all steps; heads share their values, so that the mean weights are interpretable."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, hidden // heads
        self.query, self.key = nn.Linear(hidden, heads * self.size), nn.Linear(hidden, heads * self.size)
        self.value, self.out = nn.Linear(hidden, self.size), nn.Linear(self.size, hidden)

    def forward(self, ahead: Tensor, steps: Tensor) -> Tensor:
        query = self.query(ahead).unflatten(-1, (self.heads, self.size)).transpose(1, 2)
        key = self.key(steps).unflatten(-1, (self.heads, self.size)).permute(0, 2, 3, 1)
        weights = torch.softmax(query @ key / self.size**0.5, -1).mean(1)
        out: Tensor = self.out(weights @ self.value(steps))
        return out


class Network(nn.Module):
    """From inputs (row, input) to quantiles of the ramp (row, series, knot, quantile), in the ramps' units.

    It begins as the linear fit `start`. Every series has its own embedding; all other weights are shared.
    """

    def __init__(self, config: Config, start: Linear, places: Places) -> None:
        super().__init__()
        hidden, dropout = config.hidden, config.dropout
        self.places, self.noise = places, config.noise
        shared = len(start.weights) - places.series * places.own
        self.past = Past(places)
        self.series = nn.Parameter(torch.randn(places.series, hidden) * 0.1)
        self.knot = nn.Parameter(torch.randn(places.knots, hidden) * 0.1)
        self.present = Gated(len(places.present) + shared, hidden, dropout)
        self.others = nn.Linear(hidden, hidden)
        self.begin = nn.Linear(hidden, 2 * hidden)
        self.of_past, self.of_future = Selection(CHANNELS, hidden), Selection(len(places.future[0]), hidden)
        self.encoder, self.decoder = Lstm(hidden, hidden), Lstm(hidden, hidden)
        self.local = Gate(hidden, dropout)
        self.enriched = Gated(hidden, hidden, dropout)
        self.attention, self.attended = Attention(hidden, config.heads), Gate(hidden, dropout)
        self.settled = Gated(hidden, hidden, dropout)
        self.last = nn.Linear(hidden, len(QUANTILES))
        self.straight = straight(start)
        with torch.no_grad():
            self.last.weight.mul_(FIRST_STEPS)

    def forward(self, x: Tensor) -> Tensor:
        places, past = self.places, self.past(x)
        if self.training:
            x, past = x + self.noise * torch.randn_like(x), past + self.noise * torch.randn_like(past)
        border = places.series * places.own
        own, shared = x[:, :border].view(-1, places.series, places.own), x[:, border:]
        present = torch.cat([own[..., list(places.present)], shared[:, None].expand(-1, places.series, -1)], -1)
        about = self.present(present, self.series)
        # Each series gets the state of the others: the mean over all series.
        about = (about + self.others(about.mean(1, keepdim=True))).flatten(0, 1)
        future = torch.stack([own[..., list(knot)] for knot in places.future], 2).flatten(0, 1)

        context = about[:, None]
        steps = self.of_past(past.flatten(0, 1), context)
        ahead = self.of_future(future, context) + self.knot
        behind, state, cell = self.encoder(steps, *torch.tanh(self.begin(about)).chunk(2, -1))
        before, _, _ = self.decoder(ahead, state, cell)
        read = self.local(torch.cat([steps, ahead], 1), torch.cat([behind, before], 1))
        read = self.enriched(read, context)
        ahead = read[:, -places.knots :]
        raw = self.last(self.settled(self.attended(ahead, self.attention(ahead, read))))
        raw = raw.view(-1, places.series, places.knots, len(QUANTILES))
        return ordered(raw, raw[..., MEDIAN] + self.straight(x).view(-1, places.series, places.knots))
