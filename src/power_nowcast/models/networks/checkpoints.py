"""A training's state on disk, as safetensors: after a kill, training resumes from it with the same result."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from power_nowcast.models.networks.config import Epoch, Rows, TrainingConfig


@dataclass
class Course:
    """A running training: the complete state that determines how it continues."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    patience: int
    told: list[Epoch] = field(default_factory=list)
    best: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, network: nn.Module, config: TrainingConfig, batches: int) -> Self:
        """The state at the start of a training."""
        weights = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        optimizer = torch.optim.AdamW(
            [{"params": weights, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=config.learning_rate,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.epochs * batches
        )
        return cls(network, optimizer, schedule, config.early_stopping)

    def tell(self, epoch: Epoch) -> None:
        """Record an epoch, and keep the weights of the best epoch if there are hold-out rows."""
        self.told.append(epoch)
        if not epoch.held_out >= min((e.held_out for e in self.told[:-1]), default=np.inf):
            self.best = epoch.number
            if np.isfinite(epoch.held_out):
                self.best_weights = {name: value.detach().clone() for name, value in self.network.state_dict().items()}

    @property
    def exhausted(self) -> bool:
        """Whether early stopping applies: the best epoch is too long ago."""
        return bool(self.best_weights) and len(self.told) - self.best >= self.patience

    def kept(self) -> tuple[nn.Module, int]:
        """The network of the best epoch, and its number."""
        if self.best_weights:
            self.network.load_state_dict(self.best_weights)
        return self.network.eval(), self.best


def digest_of(network: nn.Module, config: TrainingConfig, rows: Rows, held_out: Rows | None) -> str:
    """SHA-256 over everything that determines a training's result: a checkpoint with another digest is not used."""
    digest = hashlib.sha256(json.dumps([str(network), asdict(config), torch.__version__]).encode())
    for part in (rows, held_out):
        for values in (part.x, part.y) if part else ():
            digest.update(str(values.shape).encode())
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def save(file: Path, course: Course, digest: str) -> None:
    """Replace the state on disk: after a kill at any moment, either the old or the new state exists."""
    state = course.optimizer.state_dict()
    tensors = {f"network/{name}": value for name, value in course.network.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in course.best_weights.items()}
    tensors |= {f"optimizer/{n}/{name}": v for n, values in state["state"].items() for name, v in values.items()}
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    head = {
        "digest": digest,
        "told": [asdict(epoch) for epoch in course.told],
        "best": course.best,
        "groups": state["param_groups"],
        "schedule": {"last_epoch": course.schedule.last_epoch, "_step_count": course.schedule._step_count},
    }
    payload = to_bytes(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, {"head": json.dumps(head)}
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    with new.open("wb") as out:
        out.write(payload)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def load(file: Path, course: Course, digest: str) -> bool:
    """Restore the course from the file if the file belongs to this training; returns whether it does."""
    if not file.is_file():
        return False
    try:
        with safe_open(file, "pt") as kept:
            head: dict[str, Any] = json.loads((kept.metadata() or {}).get("head", "{}"))
            if head.get("digest") != digest:
                return False
            tensors = {name: kept.get_tensor(name) for name in kept.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError:
        return False

    def under(part: str) -> dict[str, Tensor]:
        return {name.removeprefix(part): value for name, value in tensors.items() if name.startswith(part)}

    moments: dict[int, dict[str, Tensor]] = {}
    for place, value in under("optimizer/").items():
        number, name = place.split("/")
        moments.setdefault(int(number), {})[name] = value
    course.network.load_state_dict(under("network/"))
    course.best_weights = under("best/")
    course.optimizer.load_state_dict({"state": moments, "param_groups": head["groups"]})
    course.schedule.load_state_dict(head["schedule"])
    course.told, course.best = [Epoch(**epoch) for epoch in head["told"]], head["best"]
    torch.set_rng_state(tensors["random/cpu"])
    if torch.cuda.is_available() and "random/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random/cuda"])
    return True
