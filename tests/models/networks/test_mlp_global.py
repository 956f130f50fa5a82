"""mlp_global: beyond the joint layers all series share their weights."""

import pytest

pytest.importorskip("torch", reason="the extra neural is not installed")

import torch

from power_nowcast.models.networks.mlp_global import Config, Network
from tests.models.networks.rows import INPUTS, KNOTS, OWN, SERIES, places, start


def test_series_that_look_alike_are_answered_alike() -> None:
    torch.manual_seed(1)
    network = Network(Config(width=16, layers=1, shared_width=8, shared_layers=1), start(), places()).eval()
    x = torch.randn(5, INPUTS)
    x[:, OWN : 2 * OWN] = x[:, :OWN]
    with torch.no_grad():
        apart = network(x)
        network.series.zero_()
        alike = network(x)
    assert apart.shape == alike.shape == (5, SERIES, KNOTS, 7)
    torch.testing.assert_close(alike[:, 0], alike[:, 1])
    assert not torch.allclose(apart[:, 0], apart[:, 1]), "each has its embedding"
