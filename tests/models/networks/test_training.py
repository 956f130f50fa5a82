"""training: the same seed gives the same network, a kill changes nothing, and what gains no more ends early."""

import os
import signal
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra neural is not installed")

from power_nowcast.models.networks import lstm, mlp, mlp_global, tft, training
from power_nowcast.models.networks.config import Epoch, Rows
from power_nowcast.models.networks.training import Trained
from tests.models.networks.rows import INPUTS, places, rows, start

NETWORKS = {"mlp": mlp, "mlp_global": mlp_global, "lstm": lstm, "tft": tft}
OPTIONS = {
    "mlp": {"width": 16, "layers": 1},
    "mlp_global": {"width": 16, "layers": 1, "shared_width": 8, "shared_layers": 1},
    "lstm": {"width": 16, "layers": 1, "hidden": 4},
    "tft": {"hidden": 8, "heads": 2},
}


def trained(kind: str, file: Path | None = None, told=lambda _: None, held_out: Rows | None = None, **options):
    config = NETWORKS[kind].Config(**(OPTIONS[kind] | {"epochs": 4, "batch_size": 64} | options))

    def make():
        return NETWORKS[kind].Network(config, start(), places())

    return training.train(make, config, rows(320, 1), held_out or rows(100, 2), told, checkpoint=file)


def train_and_die(kind: str, file: Path, after: int) -> None:
    """In a process of its own: killed in the moment in which an epoch is told."""

    def told(epoch: Epoch) -> None:
        if epoch.number == after:
            os.kill(os.getpid(), signal.SIGKILL)

    trained(kind, file, told)


def weights(done: Trained) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in done.network.state_dict().items()}


def assert_same(one: Trained, other: Trained) -> None:
    assert one.epochs == other.epochs
    for name, value in weights(one).items():
        np.testing.assert_array_equal(value, weights(other)[name], err_msg=name)


LATER = [pytest.param(kind, marks=pytest.mark.slow) for kind in NETWORKS if kind != "mlp"]


@pytest.mark.parametrize("kind", ["mlp", *LATER])
def test_a_killed_training_goes_on_to_the_same_network(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "kept" / "network.safetensors"
    child = get_context("spawn").Process(target=train_and_die, args=(kind, file, 2))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert file.is_file()
    told: list[Epoch] = []
    again = trained(kind, file, told.append)
    assert [epoch.number for epoch in told] == [1, 2, 3, 4]
    assert_same(again, trained(kind))
    assert {path.name for path in file.parent.iterdir()} == {file.name}, "nothing half-written is left"


def test_a_checkpoint_of_another_training_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "network.safetensors"
    trained("mlp", file, seed=2)
    assert_same(trained("mlp", file), trained("mlp"))
    file.write_bytes(b"cut off")
    assert_same(trained("mlp", file), trained("mlp"))


def test_another_seed_is_another_network() -> None:
    one, other = weights(trained("mlp")), weights(trained("mlp", seed=2))
    assert any((value != other[name]).any() for name, value in one.items())


def test_the_best_epoch_is_kept_and_training_ends_soon_after_it() -> None:
    noise = Rows(rows(100, 3).x, rows(100, 4).y)  # what is learnt makes these worse
    told: list[Epoch] = []
    done = trained("mlp", None, told.append, noise, epochs=30, early_stopping=2, noise=0.0, dropout=0.0)
    losses = [epoch.held_out for epoch in told]
    assert len(losses) < 30
    assert done.epochs == int(np.argmin(losses)) + 1 == len(losses) - 2
    assert training.evaluate(done.network, noise, mlp.Config().huber) == pytest.approx(min(losses))
    assert told[0].seconds_left > 0


@pytest.mark.parametrize("kind", NETWORKS)
def test_quantiles_of_a_network_are_in_order(kind: str) -> None:
    answer = training.answer(trained(kind, epochs=1).network, rows(5, 5).x)
    assert answer.shape == (5, 2, 3, 7)
    assert (np.diff(answer, axis=-1) > 0).all()
    assert rows(5, 5).x.shape[1] == INPUTS
