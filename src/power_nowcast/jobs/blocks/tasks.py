"""What a worker does for a block. Each task names tables and folders, and is the same when it is done again.

A result that is there already is not made again: a document beside it has the digest of what it was made from.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import sums
from power_nowcast.bundle.train import VALID_LOSS, Origin, bundle_of, examples, judge
from power_nowcast.collect import write_all
from power_nowcast.contracts import Panel, Table
from power_nowcast.contracts.times import aware
from power_nowcast.errors import ArtifactDigestError, DataError, MissingDataError
from power_nowcast.evaluate import backtest as backtests
from power_nowcast.evaluate.scorecard import by_series
from power_nowcast.features.panel import WINDOW, history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.blocks.plan import Block
from power_nowcast.jobs.recipe import recipe
from power_nowcast.live.blocks import followed
from power_nowcast.models.base import FitReport
from power_nowcast.models.examples import Examples, Split, from_frame, to_frame
from power_nowcast.models.pooled import ZONE, Pooled, units_of
from power_nowcast.store import Store

SAMPLE, SCORES, BUNDLE = "sample", "scores", "pooled"


@dataclass(frozen=True)
class Collect:
    """Store what these files have of the block's zones."""

    block: Block
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Collected:
    """Rows stored and rejected, the first and the last time of all power, and what could not be read."""

    stored: int = 0
    rejected: int = 0
    first: datetime | None = None
    last: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Learn:
    """The question that samples, bundles and backtests answer: features, spacing and borders in time."""

    block: Block
    spec: FeatureSpec
    every_minutes: int
    split: Split
    rows: int = 0
    """Rows of the sample: issue times times zones."""
    model: Path | None = None
    """The folder of the trained booster; `digest` is that of its files."""
    digest: str = ""

    @property
    def question(self) -> list[Any]:
        """What decides the result, beside the tables, the region and the code."""
        borders = {name: str(time) for name, time in asdict(self.split).items()}
        return [self.spec.to_json(), self.every_minutes, borders, self.rows, self.digest]


@dataclass(frozen=True)
class Made:
    """What a task has made: the digest of its result, zones that could not take part, and sums of figures.

    Without a result `digest` is empty and `trouble` says why.
    """

    block: str
    digest: str = ""
    rows: int = 0
    left_out: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True)
class Interval:
    """Nowcast a block by its bundle with this digest, at a time."""

    block: Block
    digest: str
    now: datetime
    collect: Collect | None = None


@dataclass(frozen=True)
class Told:
    """The newest publication of a block: issue time and answered zones."""

    block: str
    issue_time: datetime | None
    zones: int = 0
    trouble: str = ""


def collect(task: Collect) -> Collected:
    """Store what the files have of the block's zones; a file that is stored already costs its reading."""
    store, stored, rejected, trouble = task.block.store(), 0, 0, ""
    for file in task.files:
        try:
            report = write_all(store, task.block.region, place=file)
        except DataError as error:
            trouble = error.message
            continue
        stored, rejected = stored + report.stored, rejected + sum(report.reasons.values())
    first, last = store.span(Table.POWER, task.block.name)
    return Collected(stored, rejected, first, last, trouble)


def sample(task: Learn) -> Made:
    """Features of issue times drawn by chance before the validation part, as the block's table `sample`."""

    def make(store: Store) -> Made:
        split, zones = task.split, len(task.block.region.zones)
        every = np.timedelta64(task.every_minutes, "m")
        reach = np.timedelta64(max(task.spec.knots), "m")
        issues = np.arange(split.train_start, split.valid_start - reach, every)
        # The draw depends on the block's name only, so it is the same when it is repeated.
        rng = np.random.default_rng(zlib.crc32(task.block.name.encode()))
        chosen = np.sort(rng.choice(issues, min(len(issues), max(1, round(task.rows / zones))), replace=False))
        panel = _panel(store, task, split.train_start, split.valid_start)
        frame = to_frame(examples(panel, task.block.region, chosen, task.spec), task.spec.knots)
        version = store.write_features(SAMPLE, frame)
        return Made(task.block.name, str(version), len(frame))

    return _once(task, SAMPLE, make)


def read_sample(block: Block, spec: FeatureSpec) -> Examples:
    """The block's sample."""
    return from_frame(block.store().read_features(SAMPLE), block.region.series, spec.knots)


def calibrate(task: Learn) -> Made:
    """The block's bundle: the booster of all zones, with the unit and the calibration of each of the block's."""

    def make(store: Store) -> Made:
        region, split, spec = task.block.region, task.split, task.spec
        panel = _panel(store, task, split.valid_start, split.test_start)
        issues = np.arange(split.valid_start, split.test_start, np.timedelta64(task.every_minutes, "m"))
        whole = examples(panel, region, issues, spec).during(split.valid_start, split.test_start, max(spec.knots))
        # A zone without an outcome can neither be calibrated nor answered.
        known = np.isfinite(whole.ramps).any(axis=0).all(axis=-1)
        series = tuple(name for name, has in zip(region.series, known, strict=True) if has)
        if not series:
            raise MissingDataError(
                f"No zone of {region.name} has values from {split.valid_start} to {split.test_start} UTC.",
                remedy="Ingest them, or take these zones out of the file of zones.",
                region=region.name,
            )
        units = units_of(read_sample(task.block, spec))[known]
        valid = Examples(whole.block.only(series), whole.outcome_mw[:, known])
        model = _shared(task, spec).for_series(series, units)
        report = FitReport()
        judged = judge(region, model, report, model.predict(valid.block), valid)
        made = bundle_of(region, spec, model, judged, (valid, valid), Origin(data_sha256=task.digest))
        bundle = replace(made, info=replace(made.info, train_start=f"{split.train_start}Z"))
        bundle.save(task.block.artifacts / BUNDLE)
        left_out = tuple(name for name in region.series if name not in series)
        return Made(task.block.name, bundle.digest, len(issues), left_out, {VALID_LOSS: report.metrics[VALID_LOSS]})

    return _once(task, BUNDLE, make)


def backtest(task: Learn) -> Made:
    """Replay the block's bundle on the test part; figures of each zone go into the document `scores`."""

    def make(store: Store) -> Made:
        split = task.split
        bundle = Bundle.load(task.block.artifacts / BUNDLE)
        issues = np.arange(split.test_start, split.test_end, np.timedelta64(task.every_minutes, "m"))
        panel = _panel(store, task, split.test_start, split.test_end)
        table = by_series(backtests.run(bundle, {}, panel, bundle.region, issues, delays=()))
        store.documents.write_frame(SCORES, table)
        moved = table.filter(table["MAE_persistence"] > 0)
        figures = {
            "n": float(len(moved)),
            "loss": float((moved["pinball"] / moved["MAE_persistence"]).sum()),
            "coverage_80": float(moved["coverage_80"].sum()),
            "MAE": float((moved["MAE"] / moved["MAE_persistence"]).sum()),
        }
        return Made(task.block.name, bundle.digest, len(issues), figures=figures)

    return _once(task, SCORES, make)


def interval(task: Interval) -> Told:
    """Collect what is new, nowcast the present interval and publish it; what is published already stands."""
    block = task.block
    trouble = "" if task.collect is None else collect(task.collect).trouble
    present = followed(block.address, block.region, block.artifacts / BUNDLE, task.digest).step_at(task.now)
    if present is None:
        return Told(block.name, None, trouble=trouble or f"{block.name} has no nowcast yet.")
    answered = int(np.isfinite(present.nowcast.values).all(axis=(1, 2)).sum())
    return Told(block.name, present.issue_time, answered, trouble)


def _once(task: Learn, name: str, make: Callable[[Store], Made]) -> Made:
    """The result of `make`, or the one that it had from the same data, question and code."""
    store = task.block.store()
    wanted = recipe([store.manifest(Table.POWER, task.block.name)], task.block.region, [name, *task.question])
    note = store.documents.read(name)
    if isinstance(note, dict) and note.get("recipe") == wanted:
        made = Made(**note["made"] | {"left_out": tuple(note["made"]["left_out"])})
        if name != BUNDLE or _is_there(task.block.artifacts / BUNDLE, made.digest):
            return made
    try:
        made = make(store)
    except DataError as error:
        return Made(task.block.name, trouble=error.message)
    store.documents.write(name, {"recipe": wanted, "made": asdict(made)})
    return made


def _is_there(folder: Path, digest: str) -> bool:
    try:
        return bool(json.loads((folder / "model.json").read_text())["digest"] == digest)
    except (OSError, ValueError, KeyError):
        return False


def _panel(store: Store, task: Learn, first: np.datetime64, last: np.datetime64) -> Panel:
    """What is known of the time from `first` to `last`, with the history that its features need."""
    begin = max(aware(first) - WINDOW, aware(task.split.train_start) - WINDOW)
    return history(store, task.block.region, begin, aware(last))


def shared_digest(folder: Path) -> str:
    """The digest of the booster's files."""
    return hashlib.sha256(json.dumps(sums(folder), sort_keys=True).encode()).hexdigest()


def _shared(task: Learn, spec: FeatureSpec) -> Pooled:
    """The booster of all zones, if its files are those that the task names."""
    folder = task.model
    if folder is None or not folder.is_dir() or shared_digest(folder) != task.digest:
        raise ArtifactDigestError(
            f"The booster in {folder} is not the one that was trained.",
            remedy="Workers need the same folder of artifacts (NOWCAST_ARTIFACTS) as the command; start it again.",
            path=str(folder),
        )
    return Pooled.load(folder, ZONE, spec.knots)
