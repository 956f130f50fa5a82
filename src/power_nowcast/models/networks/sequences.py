"""Shared parts of networks of sequences: the recent ramps step by step, and an LSTM from a given state."""

import torch
from torch import Tensor, nn

from power_nowcast.models.networks.encoding import Places

CHANNELS = 2
"""Channels of each step: the series' own ramp, and the mean of all series."""


class Past(nn.Module):
    """From inputs (row, input) to the ramps of the last hours (row, series, step, channel), the oldest step first.

    Ramps to the origin over increasing spans have the same information as ramps from step to step: these are their
    differences. The lengths of steps are the differences of the spans, and their unit is the spread of ramps of that
    length.
    """

    place: Tensor
    mean: Tensor
    spread: Tensor
    unit: Tensor

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.series, self.own = places.series, places.own
        self.steps = len(places.spans)
        lengths = [end - begin for begin, end in zip((0, *places.spans), places.spans, strict=False)]
        alike = [min(range(self.steps), key=lambda k: abs(places.spans[k] - length)) for length in lengths]
        self.register_buffer("place", torch.tensor(places.past, dtype=torch.int64))
        for name, values in {
            "mean": places.past_mean,
            "spread": places.past_spread,
            "unit": places.past_spread[:, alike],
        }.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        own = x[:, : self.series * self.own].view(-1, self.series, self.own)
        ramps = own.index_select(2, self.place) * self.spread + self.mean
        steps = (torch.diff(ramps, dim=2, prepend=torch.zeros_like(ramps[..., :1])) / self.unit).flip(2)
        return torch.stack([steps, steps.mean(1, keepdim=True).expand_as(steps)], -1)


class Lstm(nn.Module):
    """An LSTM layer over (row, step, input), from a given state to the states of all steps (row, step, hidden)."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States of all steps, and the last hidden state and cell (row, hidden)."""
        out, (last, kept) = self.lstm(x, (hidden[None].contiguous(), cell[None].contiguous()))
        return out, last.reshape(hidden.shape), kept.reshape(cell.shape)
