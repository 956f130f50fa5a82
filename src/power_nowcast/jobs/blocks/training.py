"""The booster of all zones of a kind, from a fixed sample of their rows."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from power_nowcast.contracts import FeatureBlock
from power_nowcast.errors import MissingDataError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.blocks.plan import Block
from power_nowcast.jobs.blocks.tasks import SAMPLE, read_sample, shared_digest
from power_nowcast.models.examples import Examples
from power_nowcast.models.pooled import ZONE, Pooled, stacked_examples, units_of

OPTIONS: Mapping[str, Any] = {
    "n_estimators": 200,
    "learning_rate": 0.15,
    "num_leaves": 31,
    "colsample": 0.2,
    "early_stopping": 15,
    "refit": False,
}
"""A sample of many zones is large: no booster is trained once more on the part that stopped it."""


@dataclass(frozen=True)
class Train:
    """Learn a booster from the samples of these blocks, and write it to a folder.

    Samples before `border` are learnt from; on the later ones boosters stop early and learn the spread. `recipe` is the
    digest of all that decides the result: with the same one the booster there stands.
    """

    blocks: tuple[Block, ...]
    spec: FeatureSpec
    folder: Path
    border: np.datetime64
    recipe: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """The digest of a booster's files, the rows that it learnt from, and figures of its training."""

    digest: str
    rows: int
    metrics: Mapping[str, float]


def train(task: Train) -> Trained:
    """Train the booster of all zones; memory is that of the sample, which is as large as it was asked for."""
    beside = task.folder.with_name(f"{task.folder.name}.json")
    if task.folder.is_dir() and beside.is_file():
        note = json.loads(beside.read_text())
        if note["recipe"] == task.recipe and note["digest"] == shared_digest(task.folder):
            return Trained(note["digest"], note["rows"], note["metrics"])
    learn, stop = gathered(task)
    model = Pooled.of(ZONE, task.spec.knots, **task.options)
    report, _ = model.zone.fit(learn, stop)
    rows = len(learn.block.issue_times) + len(stop.block.issue_times)
    shutil.rmtree(task.folder, ignore_errors=True)
    beside.unlink(missing_ok=True)
    task.folder.mkdir(parents=True)
    model.save(task.folder)
    told = Trained(shared_digest(task.folder), rows, report.metrics)
    note = {"recipe": task.recipe, "digest": told.digest, "rows": told.rows, "metrics": dict(told.metrics)}
    beside.write_text(json.dumps(note))
    return told


def gathered(task: Train) -> tuple[Examples, Examples]:
    """The rows of all samples in units of their zones: those to learn from, and the later ones to stop on.

    Rows are written into their place block by block, so that no row is in memory twice.

    Raises:
        MissingDataError: no row to learn from, or none to stop on, has an origin and all outcomes.
    """
    rows = _Rows(sum(_sampled(block) for block in task.blocks), task)
    for block in task.blocks:
        known = read_sample(block, task.spec)
        rows.add(stacked_examples(known, units_of(known)))
    if not rows.front or rows.back == rows.size:
        raise MissingDataError(
            "No sampled row has a value and the values after it.",
            remedy="Ingest a longer time; the sources' gaps: nowcast data gaps --region FILE.",
        )
    end = rows.close_up()
    return rows.of(slice(rows.front)), rows.of(slice(rows.front, end))


def _sampled(block: Block) -> int:
    """Rows of a block's sample, at most."""
    note: dict[str, Any] = block.store().documents.read(SAMPLE) or {"made": {"rows": 0}}
    return int(note["made"]["rows"])


class _Rows:
    """Arrays for so many rows: those to learn from fill them from the front, those to stop on from the back."""

    def __init__(self, size: int, task: Train) -> None:
        self.size, self.front, self.back = size, 0, size
        self.border, self.reach = task.border, np.timedelta64(max(task.spec.knots), "m")
        self.like: FeatureBlock | None = None

    def add(self, part: Examples) -> None:
        """Add the rows whose origin is the issue time and that have all outcomes."""
        block = part.block
        if self.like is None:
            self.like = block
            self.times = np.empty(self.size, "datetime64[m]")
            self.x = np.empty((self.size, len(block.names)), np.float32)
            self.origin, self.scale = np.empty(self.size), np.empty(self.size)
            self.outcome = np.empty((self.size, part.outcome_mw.shape[-1]))
        used = (block.age_minutes[:, 0] == 0) & np.isfinite(part.ramps[:, 0]).all(axis=-1)
        learnt, stopped = (
            used & (block.issue_times + self.reach < self.border),
            used & (block.issue_times >= self.border),
        )
        first, last = self.front, self.back
        self.front, self.back = first + int(learnt.sum()), last - int(stopped.sum())
        for place, chosen in ((slice(first, self.front), learnt), (slice(self.back, last), stopped)):
            self.times[place] = block.issue_times[chosen]
            self.x[place] = block.x[chosen, 0]
            self.origin[place], self.scale[place] = block.origin_mw[chosen, 0], block.scale_mw[chosen, 0]
            self.outcome[place] = part.outcome_mw[chosen, 0]

    def close_up(self) -> int:
        """Move the rows to stop on next to those to learn from, so that both are one part; returns its end."""
        end = self.front + self.size - self.back
        for values in (self.times, self.x, self.origin, self.scale, self.outcome):
            values[self.front : end] = values[self.back :]
        return end

    def of(self, place: slice) -> Examples:
        """The rows of a place, not copied."""
        assert self.like is not None  # there are rows  # noqa: S101
        block = FeatureBlock(
            self.times[place],
            ZONE,
            self.like.names,
            self.like.horizons,
            self.x[place][:, None],
            self.origin[place][:, None],
            np.zeros((len(self.times[place]), 1)),
            self.scale[place][:, None],
        )
        return Examples(block, self.outcome[place][:, None])
