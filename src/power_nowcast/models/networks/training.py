"""Training of every network: AdamW with one cycle of the learning rate, early stopping, and export to ONNX."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from power_nowcast.contracts import MEDIAN, QUANTILES
from power_nowcast.models.networks.checkpoints import Course, digest_of, load, save
from power_nowcast.models.networks.config import Epoch, Rows, TrainingConfig

INPUT, OUTPUT = "inputs", "quantiles"
"""Names in the exported graph."""
EVALUATED_AT_ONCE = 1024
COMPILED_FROM = 5000
"""Minimum steps of a training for compilation: on an H100, compiling a small network takes 10 s and saves 2 ms a
step."""


@dataclass(frozen=True)
class Trained:
    """A network, and the number of its last epoch."""

    network: nn.Module
    epochs: int


def train(
    make: Callable[[], nn.Module],
    config: TrainingConfig,
    rows: Rows,
    held_out: Rows | None,
    progress: Callable[[Epoch], None],
    *,
    epochs: int | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Make a network and train it; the seed also determines its first weights.

    Args:
        make: makes the untrained network.
        config: parameters of the training.
        rows: rows to learn from.
        held_out: rows that select the best epoch; without them the last epoch is kept.
        progress: gets each epoch, also the epochs before a resumption.
        epochs: stop after so many of the config's epochs, with the same schedule of the learning rate.
        checkpoint: file that is written after each epoch. A killed training resumes from it with the same result. A
            file of another network, configuration or data is not used.
    """
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = make().to(device).train()
    x, y = torch.from_numpy(rows.x).to(device), torch.from_numpy(rows.y).to(device)
    batches = max(1, len(x) // config.batch_size)
    course = Course.of(network, config, batches)
    digest = digest_of(network, config, rows, held_out) if checkpoint else ""
    if checkpoint:
        load(checkpoint, course, digest)
    for epoch in course.told:
        progress(epoch)
    began, before, last = monotonic(), len(course.told), epochs or config.epochs
    # On a CPU, half precision is slower, and compilation takes longer than it saves.
    on_gpu = device.type == "cuda"
    worth_it = on_gpu and (last - before) * batches >= COMPILED_FROM
    answers: Callable[[Tensor], Tensor] = torch.compile(network) if worth_it else network
    mixed = torch.autocast("cuda", torch.bfloat16) if on_gpu else contextlib.nullcontext()
    while len(course.told) < last and not course.exhausted:
        order = torch.randperm(len(x), device=device)
        total = torch.zeros((), dtype=torch.float64, device=device)
        for batch in order[: batches * config.batch_size].chunk(batches):
            with mixed:
                answer = answers(x[batch])
            value = loss(answer.float(), y[batch], config.huber)
            course.optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            course.optimizer.step()
            course.schedule.step()
            total += value.detach()
        number = len(course.told) + 1
        judged = evaluate(network, held_out, config.huber) if held_out else float("nan")
        left = (monotonic() - began) / (number - before) * (last - number)
        course.tell(Epoch(number, total.item() / batches, judged, left))
        if checkpoint:
            save(checkpoint, course, digest)
        progress(course.told[-1])
    return Trained(*course.kept())


def limit_threads(threads: int) -> None:
    """Limit the threads of this process for all later training."""
    torch.set_num_threads(threads)


def evaluate(network: nn.Module, rows: Rows, huber: float) -> float:
    """Mean loss over rows; the network keeps its mode."""
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
    """Huber loss of the median plus the pinball losses of the other quantiles, mean over known outcomes."""
    known = torch.isfinite(outcome)
    y = torch.nan_to_num(outcome)
    middle = nn.functional.smooth_l1_loss(quantiles[..., MEDIAN], y, beta=huber, reduction="none")
    levels = torch.tensor(QUANTILES, device=y.device, dtype=y.dtype)
    gap = y[..., None] - quantiles
    pinball = torch.maximum(levels * gap, (levels - 1) * gap)
    outer = pinball.sum(-1) - pinball[..., MEDIAN]
    return ((middle + outer) * known).sum() / known.sum().clamp(min=1)


class Mean(nn.Module):
    """The mean of the outputs of several networks."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([network(x) for network in self.networks]).mean(0)


def export(networks: Sequence[nn.Module], inputs: int) -> bytes:
    """The networks' mean as an ONNX graph with a free number of rows."""
    network = Mean(networks).cpu().eval()
    example = torch.zeros(2, inputs)
    with warnings.catch_warnings(), _quiet("torch.onnx"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            network,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("row")},),
        )
        assert program is not None  # noqa: S101 - for the type checker: only the older exporter returns None
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
