"""How every network is trained: AdamW on one cycle of the learning rate, best epoch kept, and its export to ONNX."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from power_nowcast.contracts import MEDIAN, QUANTILES

INPUT, OUTPUT = "inputs", "quantiles"
"""Names in the exported graph."""
EVALUATED_AT_ONCE = 8192


@dataclass(frozen=True)
class TrainingConfig:
    """Customary parameters; errors of the median beyond `huber` units count linearly.

    With `refit` the network that is served is trained once more, on train and valid together.
    """

    epochs: int = 4
    batch_size: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    huber: float = 0.5
    clip_norm: float = 1.0
    refit: bool = True
    seed: int = 1


@dataclass(frozen=True)
class Rows:
    """Inputs (row, input) and outcomes (row, series, knot) in the ramps' units, NaN where nothing is to be learnt."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]


def train(
    make: Callable[[], nn.Module],
    config: TrainingConfig,
    rows: Rows,
    held_out: Rows | None,
    progress: Callable[[int, float, float], None],
) -> nn.Module:
    """Make a network and train it for all epochs; the seed decides its first weights, too.

    `progress` is told after each epoch its number and the losses of training and held-out rows (NaN without any).
    """
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = make().to(device).train()
    x, y = torch.from_numpy(rows.x).to(device), torch.from_numpy(rows.y).to(device)
    batches = max(1, len(x) // config.batch_size)
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=config.learning_rate,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=config.epochs * batches)
    mixed = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else contextlib.nullcontext()
    for epoch in range(1, config.epochs + 1):
        order = torch.randperm(len(x), device=device)
        total = 0.0
        for batch in order[: batches * config.batch_size].chunk(batches):
            with mixed:
                answer = network(x[batch])
            value = loss(answer.float(), y[batch], config.huber)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            optimizer.step()
            schedule.step()
            total += value.item()
        progress(epoch, total / batches, evaluate(network, held_out, config.huber) if held_out else float("nan"))
    return network.eval()


def evaluate(network: nn.Module, rows: Rows, huber: float) -> float:
    """Mean loss over rows; the network goes on as it was."""
    device, before = next(network.parameters()).device, network.training
    network.eval()
    with torch.inference_mode():
        parts = [
            (loss(network(x), y, huber).item(), len(x))
            for x, y in (
                (torch.from_numpy(part_x).to(device), torch.from_numpy(part_y).to(device))
                for part_x, part_y in zip(_parts(rows.x), _parts(rows.y), strict=True)
            )
        ]
    network.train(before)
    return float(np.average([value for value, _ in parts], weights=[count for _, count in parts]))


def answer(network: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The network's output for inputs (row, input)."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        parts = [network(torch.from_numpy(part).to(device)).double().cpu().numpy() for part in _parts(x)]
    return np.concatenate(parts)


def loss(quantiles: Tensor, outcome: Tensor, huber: float) -> Tensor:
    """Huber of the median plus the pinball losses of the others, mean over what is known."""
    known = torch.isfinite(outcome)
    y = torch.nan_to_num(outcome)
    middle = nn.functional.smooth_l1_loss(quantiles[..., MEDIAN], y, beta=huber, reduction="none")
    levels = torch.tensor(QUANTILES, device=y.device, dtype=y.dtype)
    gap = y[..., None] - quantiles
    pinball = torch.maximum(levels * gap, (levels - 1) * gap)
    outer = pinball.sum(-1) - pinball[..., MEDIAN]
    return ((middle + outer) * known).sum() / known.sum().clamp(min=1)


def export(network: nn.Module, inputs: int) -> bytes:
    """The network as ONNX in double precision, rows free: an answer does not depend on the rows beside it."""
    network = network.cpu().double().eval()
    example = torch.zeros(2, inputs, dtype=torch.float64)
    with warnings.catch_warnings(), _quiet("torch.onnx"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns of its own parts
        program = torch.onnx.export(
            network,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("row")},),
        )
        assert program is not None  # noqa: S101 - for the type checker: None only for the older exporter
        return bytes(program.model_proto.SerializeToString())


@contextlib.contextmanager
def _quiet(name: str):  # type: ignore[no-untyped-def]
    logger = logging.getLogger(name)
    before, logger.disabled = logger.level, False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _parts(values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [values[first : first + EVALUATED_AT_ONCE] for first in range(0, len(values), EVALUATED_AT_ONCE)]
