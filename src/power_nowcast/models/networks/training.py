"""How every network is trained: AdamW on one cycle of the learning rate, stopping early, and its export to ONNX."""

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
"""Steps of a training: on an H100 compiling a small network takes 10 s, and saves 2 ms a step."""


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
    """Make a network and train it; the seed decides its first weights, too.

    Args:
        make: the network, untrained.
        config: its parameters.
        rows: what is learnt.
        held_out: rows by which the best epoch is told; without them the last one is kept.
        progress: is told each epoch, those before a resumption, too.
        epochs: stop after so many of the config's, on the same course of the learning rate.
        checkpoint: file that is written after each epoch and from which a training that was killed goes on, to the
            same result; one of another network, configuration or data is not read.
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
    # Half precision is slower on a processor, and compiling takes longer there than it saves.
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
    """Of this process, for all training from now on."""
    torch.set_num_threads(threads)


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


class Mean(nn.Module):
    """The mean of what networks say."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([network(x) for network in self.networks]).mean(0)


def export(networks: Sequence[nn.Module], inputs: int) -> bytes:
    """The networks' mean as ONNX, rows free."""
    network = Mean(networks).cpu().eval()
    example = torch.zeros(2, inputs)
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
