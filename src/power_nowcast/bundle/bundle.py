"""A complete model version: native model files, features, region and calibration, on disk and in memory."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.dependence import Dependence
from power_nowcast.bundle.files import FORMAT_VERSION, HEAD, digest_of, sums, verify
from power_nowcast.bundle.ladder import Ladder
from power_nowcast.bundle.outcomes import at_knots, known_now, local_hours, origin_times, target_times
from power_nowcast.bundle.pending import Pending
from power_nowcast.bundle.tracking import STEPS, Steps, steps_in
from power_nowcast.bundle.watch import WatchLimits
from power_nowcast.contracts import QUANTILES, FeatureBlock, Floats, Nowcasts, Panel, Times
from power_nowcast.errors import ModelError, NowcastError
from power_nowcast.features import plants
from power_nowcast.features.build_features import build
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.base import Model
from power_nowcast.models.baselines import Persistence
from power_nowcast.models.files import Folder
from power_nowcast.models.kinds import model_class
from power_nowcast.regions import Region

LADDER, WATCH = "ladder.json", "watch.json"
TOLERANCE = 1e-5
"""Tolerance relative to a series' largest golden answer: processors round single precision differently."""


@dataclass(frozen=True)
class Info:
    """The origin of a bundle; times are ISO UTC text."""

    kind: str
    created_at: str
    train_start: str
    train_end: str
    calibrated_until: str
    git_sha: str = "unknown"
    data_sha256: str = ""
    package_version: str = ""

    @property
    def training(self) -> tuple[np.datetime64, np.datetime64]:
        """The first issue time of training, and the end of its last outcome."""
        first, last = (np.datetime64(text.removesuffix("Z"), "m") for text in (self.train_start, self.train_end))
        return first, last


@dataclass(frozen=True, eq=False)
class Bundle:
    """The unit that is registered, served and compared. Immutable; `digest` identifies its files.

    `fallback` answers when data are too late for the model. `golden` has a few rows of features with the model's
    answers at training: a copy with other answers is not that model. `ladder` and `watch` are None in a bundle of
    before there was one. Its calibration follows outcomes by `steps`.
    """

    region: Region
    spec: FeatureSpec
    model: Model
    calibration: Calibration
    dependence: Dependence
    fallback: Persistence
    info: Info
    golden: FeatureBlock
    golden_mw: Floats
    ladder: Ladder | None = None
    watch: WatchLimits | None = None
    steps: Steps = STEPS

    @property
    def history_minutes(self) -> int:
        return self.spec.history_minutes

    @property
    def minimum_history_minutes(self) -> int:
        return self.spec.minimum_history_minutes

    def predict(
        self,
        panel: Panel,
        issue_times: Times,
        *,
        delay_minutes: int = 0,
        calibration: Calibration | None = None,
    ) -> Nowcasts:
        """Nowcasts of every issue time with one calibration, by default the frozen calibration."""
        block = self.features(panel, issue_times, delay_minutes)
        return self.from_features(block, calibration)

    def features(self, panel: Panel, issue_times: Times, delay_minutes: int = 0) -> FeatureBlock:
        """The features that this model reads."""
        return build(panel, self.region, issue_times, self.spec, series=self.model.series, delay_minutes=delay_minutes)

    def from_features(self, block: FeatureBlock, calibration: Calibration | None = None) -> Nowcasts:
        """Nowcasts from existing features."""
        return self._at_steps(block, self.quantiles(block, calibration))

    @property
    def leads(self) -> tuple[int, ...]:
        """Minutes after the origin with a calibration of their own: the whole grid up to the model's last knot."""
        return self.calibration.leads

    def quantiles(self, block: FeatureBlock, calibration: Calibration | None = None) -> NDArray[np.float64]:
        """Calibrated quantiles in MW, shape (issue, series, lead, quantile)."""
        force = calibration or self.calibration
        return force.apply(self._uncalibrated(block), self._hours(block), origin_times(block))

    def replay(
        self, panel: Panel, issue_times: Times, *, delay_minutes: int = 0, block: FeatureBlock | None = None
    ) -> tuple[Nowcasts, Calibration]:
        """Nowcasts of issue times, each calibrated with what was known then; `block` has their features, if built."""
        issues = np.sort(np.asarray(issue_times, "datetime64[m]"))
        block = block or self.features(panel, issues, delay_minutes)
        outcome, known_at = at_knots(panel, self.region, block, self.leads, delay_minutes)
        quantiles, after = self.calibration.follow(
            self._uncalibrated(block), self._hours(block), outcome, issues, known_at, origin_times(block), self.steps
        )
        return self._at_steps(block, quantiles), after

    def advance(
        self, calibration: Calibration, pending: Pending, panel: Panel, issue_time: np.datetime64
    ) -> tuple[Calibration, Pending]:
        """The calibration in force at the next issue time, and the issue times that wait for outcomes then.

        Args:
            calibration: the calibration in force at the issue time before.
            pending: the issue times before that wait for outcomes.
            panel: what is known at the issue time, without patches.
            issue_time: on the region's grid.

        Raises:
            HistoryError, MissingDataError: as for `features`.
        """
        block = self.features(panel, np.array([issue_time], "datetime64[m]"))
        row = Pending.rows(block.issue_times, origin_times(block), self._uncalibrated(block), self._hours(block))
        target = pending.origins[..., None] + np.array(self.leads, "timedelta64[m]")
        return calibration.advance(pending, row, known_now(panel, self.region, self.model.series, target), self.steps)

    def _uncalibrated(self, block: FeatureBlock) -> NDArray[np.float64]:
        """The model's quantiles at its knots, interpolated to every lead."""
        return between(block.origin_mw, self.model.predict(block), self.model.knots, np.array(self.leads))

    def _hours(self, block: FeatureBlock) -> NDArray[np.int64]:
        return local_hours(target_times(block, self.leads), self.region.timezone)

    def _at_steps(self, block: FeatureBlock, quantiles: Floats) -> Nowcasts:
        return self._answer(block, at_steps(block, quantiles, self.leads, self.region.steps_minutes))

    def late(self, block: FeatureBlock) -> Nowcasts:
        """Persistence with wide bands, for data too late for the model."""
        knots = self.fallback.knots
        return self._answer(block, at_steps(block, self.fallback.predict(block), knots, self.region.steps_minutes))

    def paths(
        self, issue_time: np.datetime64, values_mw: Floats, age_minutes: Floats, count: int, seed: int = 0
    ) -> NDArray[np.float64]:
        """Sample paths through the steps of one nowcast; the series are independent of each other.

        Args:
            issue_time: issue time of the nowcast.
            values_mw: its quantiles, shape (series, step, quantile).
            age_minutes: age of each series' last value, shape (series,).
            count: number of paths of each series.
            seed: the same seed gives the same paths.

        Returns:
            Shape (series, path, step) in MW; NaN for a series without an answer.
        """
        steps = np.array(self.region.steps_minutes)
        made = np.full((len(self.model.series), len(steps), count), np.nan)
        for s, name in enumerate(self.model.series):
            if np.isfinite(values_mw[s]).all():
                rng = np.random.default_rng([seed, s])
                made[s] = self.dependence.paths(name, values_mw[s], age_minutes[s] + steps, count, rng).T
        possible = self.possible(np.array([issue_time]), self.model.series, made[None])[0]
        return np.asarray(possible.transpose(0, 2, 1))

    def _answer(self, block: FeatureBlock, values: Floats) -> Nowcasts:
        values = self.possible(block.issue_times, block.series, values)
        return Nowcasts(self.region.name, block.issue_times, block.series, self.region.steps_minutes, values)

    def possible(self, issue_times: Times, series: tuple[str, ...], values: Floats) -> NDArray[np.float64]:
        """Values (issue, series, step, any) clipped to plausible limits; solar power at night is 0."""
        least, most = plants.bounds(self.region, series)
        values = np.clip(values, least[:, None, None], most[:, None, None])
        if not plants.is_generation(self.region):
            return np.asarray(values)
        target = issue_times[:, None, None] + np.array(self.region.steps_minutes, "timedelta64[m]")
        dark = plants.dark(self.region, series, np.broadcast_to(target, values.shape[:3]))
        return np.asarray(np.where(dark[..., None] & np.isfinite(values), 0.0, values))

    def check(self) -> None:
        """Answer the golden rows again.

        Raises:
            ModelError: the answer differs from the answer at training.
        """
        answer = self.from_features(self.golden).values
        # Older bundles have unclipped answers of loads, also beyond the plausible limits.
        expected = self.possible(self.golden.issue_times, self.golden.series, self.golden_mw)
        gaps = np.nan_to_num(np.abs(answer - expected)).max(axis=(0, 2, 3))
        largest = np.nan_to_num(np.abs(expected)).max(axis=(0, 2, 3))
        gap = float(gaps.max())
        if not (gaps <= TOLERANCE * largest).all() or (np.isnan(answer) != np.isnan(expected)).any():
            raise ModelError(
                f"The model's answer to its golden rows is off by {gap:.3g} MW.",
                remedy="Install the package versions of its training, or train again.",
                gap_mw=gap,
                digest=self.digest,
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything that determines its answers."""
        with tempfile.TemporaryDirectory() as folder:
            return str(self._write(Path(folder))["digest"])

    def save(self, folder: Path) -> None:
        """Write the bundle. It replaces `folder` as a whole or, after any failure, leaves it unchanged.

        Raises:
            ModelError: the folder cannot be written.
        """
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            try:
                self._write(beside)
                beside.chmod(0o755)
                if folder.exists():
                    shutil.rmtree(folder)
                beside.replace(folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
        except OSError as error:
            raise ModelError(
                f"The model cannot be written to {folder}: {error.strerror}.",
                remedy="Check the path and its permissions.",
                path=str(folder),
            ) from error

    def _write(self, folder: Path) -> dict[str, Any]:
        (folder / "model").mkdir()
        (folder / "fallback").mkdir()
        self.model.save(folder / "model")
        self.fallback.save(folder / "fallback")
        calibration = self.calibration.to_json() | {"steps": self.steps._asdict()}
        (folder / "calibration.json").write_text(json.dumps(calibration))
        (folder / "dependence.json").write_text(json.dumps(self.dependence.to_json()))
        golden = _block_to_json(self.golden) | {"answer": _listed(self.golden_mw)}
        (folder / "golden.json").write_text(json.dumps(golden))
        if self.ladder is not None:
            (folder / LADDER).write_text(json.dumps(self.ladder.to_json()))
        if self.watch is not None:
            (folder / WATCH).write_text(json.dumps(self.watch.to_json()))
        (folder / "region.json").write_text(self.region.model_dump_json(indent=1))
        head: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "kind": self.model.kind,
            "series": list(self.model.series),
            "quantiles": list(QUANTILES),
            "fallback_knots": list(self.fallback.knots),
            "spec": self.spec.to_json(),
            "info": asdict(self.info),
            "files": sums(folder),
        }
        head["digest"] = digest_of(head)
        (folder / HEAD).write_text(json.dumps(head, indent=1))
        return head

    @classmethod
    def load(cls, folder: Path, digest: str | None = None) -> Self:
        """Read a bundle, verify every file and compute its digest.

        Args:
            folder: a folder that `save` wrote.
            digest: the registered digest, for a registered version; without it the bundle must only be consistent.

        Raises:
            FormatVersionError: this version does not read the bundle's format.
            ArtifactDigestError: a file is missing, not listed or changed; or the digest differs.
            ModelError: there is no bundle, or its files cannot be read.
        """
        head, files = verify(folder, digest)
        try:
            bundle = cls._of(head, files)
        except NowcastError:
            raise
        except Exception as error:  # any error of a library that cannot read a file
            words = f"The model in {folder} cannot be read: {error!r}."
            raise ModelError(words, remedy="Train it again.", path=str(folder)) from error
        bundle.__dict__["digest"] = head["digest"]  # `verify` has computed it, so nothing is written again
        return bundle

    @classmethod
    def _of(cls, head: dict[str, Any], files: Folder) -> Self:
        series, spec = tuple(head["series"]), FeatureSpec.from_json(head["spec"])
        golden, calibration = (from_json((files / f"{name}.json").read_bytes()) for name in ("golden", "calibration"))
        kind = model_class(head["kind"])
        bundle = cls(
            region=Region.model_validate_json((files / "region.json").read_text()),
            spec=spec,
            model=kind.load(files / "model", series, spec.knots),
            calibration=Calibration.from_json(calibration),
            dependence=Dependence.from_json(from_json((files / "dependence.json").read_bytes())),
            fallback=Persistence.load(files / "fallback", series, tuple(head["fallback_knots"])),
            info=Info(**head["info"]),
            golden=_block_from_json(golden),
            golden_mw=np.array(golden["answer"], np.float64),
            ladder=Ladder.from_json(from_json((files / LADDER).read_bytes())) if LADDER in head["files"] else None,
            watch=WatchLimits.from_json(from_json((files / WATCH).read_bytes())) if WATCH in head["files"] else None,
            steps=steps_in(calibration, kind.median_step),
        )
        told = {bundle.calibration.series, bundle.dependence.series, bundle.golden.series}
        whole = bundle.calibration.is_whole and bundle.steps.are_steps and np.isfinite(bundle.dependence.weights).all()
        if told != {series} or tuple(head["quantiles"]) != QUANTILES or not whole:
            raise ModelError(
                "The model's files do not agree on its series and quantiles, or its calibration is not whole.",
                remedy="Train it again.",
                series=series,
            )
        return bundle


def leads_of(region: Region, knots: tuple[int, ...]) -> tuple[int, ...]:
    """Every multiple of the region's interval up to the last knot, in minutes after the origin."""
    return tuple(range(region.interval_minutes, knots[-1] + 1, region.interval_minutes))


def at_steps(
    block: FeatureBlock, quantiles: Floats, leads: tuple[int, ...], steps_minutes: tuple[int, ...]
) -> NDArray[np.float64]:
    """Quantiles at `steps_minutes` after the issue time, from quantiles at leads after the origin.

    The lead of a step is the step plus the series' age; beyond the last lead there is no answer (NaN).
    """
    has = np.isfinite(block.age_minutes)[..., None]
    lead = np.nan_to_num(block.age_minutes)[..., None] + np.array(steps_minutes)
    return np.where(has[..., None], between(block.origin_mw, quantiles, leads, lead), np.nan)


def between(origin_mw: Floats, quantiles: Floats, knots: tuple[int, ...], lead: NDArray[Any]) -> NDArray[np.float64]:
    """Quantiles (issue, series, knot, quantile) at other minutes after the origin, by linear interpolation.

    `lead` has shape (lead,) or (issue, series, lead). At 0 all quantiles are the origin's value; beyond the last knot
    they are NaN.
    """
    first = np.broadcast_to(origin_mw[..., None, None], (*origin_mw.shape, 1, quantiles.shape[-1]))
    values = np.concatenate([first, quantiles], axis=2)
    grid = np.array([0, *knots])
    right = np.searchsorted(grid, lead).clip(1, len(grid) - 1)
    weight = ((lead - grid[right - 1]) / (grid[right] - grid[right - 1]))[..., None]
    if lead.ndim == 1:
        low, high = values[:, :, right - 1], values[:, :, right]
    else:
        issue, series = np.ogrid[: len(values), : values.shape[1]]
        low, high = (values[issue[..., None], series[..., None], at] for at in (right - 1, right))
    return np.where((lead <= grid[-1])[..., None], low + weight * (high - low), np.nan)


def _listed(values: Floats) -> Any:
    return np.where(np.isfinite(values), values, np.nan).tolist()


def _block_to_json(block: FeatureBlock) -> dict[str, Any]:
    return {
        "issue_times": [str(time) for time in block.issue_times],
        "series": list(block.series),
        "names": list(block.names),
        "horizons": list(block.horizons),
        "x": _listed(block.x.astype(np.float64)),
        "origin_mw": _listed(block.origin_mw),
        "age_minutes": _listed(block.age_minutes),
        "scale_mw": _listed(block.scale_mw),
    }


def _block_from_json(values: dict[str, Any]) -> FeatureBlock:
    return FeatureBlock(
        np.array(values["issue_times"], "datetime64[m]"),
        tuple(values["series"]),
        tuple(values["names"]),
        tuple(values["horizons"]),
        np.array(values["x"], np.float32),
        np.array(values["origin_mw"], np.float64),
        np.array(values["age_minutes"], np.float64),
        # The first bundles were for load only.
        np.array(values.get("scale_mw", np.ones_like(values["age_minutes"])), np.float64),
    )
