"""Online calibration while the service runs: followed in the process, kept in the store every so often."""

from datetime import UTC, datetime, timedelta

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.calibration_state import pack, unpack_pending
from power_nowcast.bundle.pending import Pending
from power_nowcast.contracts import Panel
from power_nowcast.contracts.times import aware, minute
from power_nowcast.errors import UnknownCalibrationError
from power_nowcast.live.nowcaster import calibration_in_force
from power_nowcast.live.records import published
from power_nowcast.live.slot import Loaded
from power_nowcast.live.window import Window
from power_nowcast.store import Store

CHECKPOINT_EVERY = 36
"""Intervals from one checkpoint in the store to the next: three hours of five-minute intervals."""
WAIT = timedelta(days=1)
"""An outcome that has not come after this time is given up."""


class FollowedCalibration:
    """The calibration of a model version, which counts each outcome at the interval at which it is first known.

    Step by step this gives the bits of a backtest. A restart goes on from the last checkpoint: repeat `step` for the
    issue times since `as_of`, each with the panel of that time.

    Args:
        store: its `calibrations` hold the checkpoints.
        bundle: the model version.
        every: intervals from one checkpoint to the next.
    """

    def __init__(self, store: Store, bundle: Bundle, *, every: int = CHECKPOINT_EVERY) -> None:
        self._store = store
        self._bundle = bundle
        self._every = every
        self.calibration = calibration_in_force(store, bundle)
        series, leads = len(bundle.model.series), len(bundle.leads)
        kept = store.read_calibration(bundle.region.name, bundle.digest)
        self._pending = (unpack_pending(kept) if kept else None) or Pending.none(series, leads)
        self._since = 0
        self._known: tuple[Panel, np.datetime64, tuple[Calibration, Pending]] | None = None

    @property
    def digest(self) -> str:
        """The digest of the model version."""
        return self._bundle.digest

    @property
    def as_of(self) -> np.datetime64:
        """The issue time up to which outcomes are counted."""
        return self.calibration.as_of

    def ahead(self, panel: Panel, issue_time: np.datetime64) -> Calibration:
        """The calibration that `step` would give; nothing is counted."""
        return self._ahead(panel, np.datetime64(issue_time, "m"))[0]

    def _ahead(self, panel: Panel, issue: np.datetime64) -> tuple[Calibration, Pending]:
        if issue <= self.as_of:
            return self.calibration, self._pending
        # `ahead` and `step` of an interval ask the same.
        if self._known is None or self._known[0] is not panel or self._known[1] != issue:
            self._known = panel, issue, self._bundle.advance(self.calibration, self._pending, panel, issue)
        return self._known[2]

    def step(self, panel: Panel, issue_time: np.datetime64, *, now: datetime) -> Calibration:
        """Count what became known by the next issue time, and keep the state if a checkpoint is due.

        Args:
            panel: what is known at the issue time.
            issue_time: later than `as_of`; an earlier one changes nothing.
            now: the time at which a checkpoint is stored.

        Returns:
            The calibration in force at the issue time.

        Raises:
            StoreError: a checkpoint cannot be written.
        """
        issue = np.datetime64(issue_time, "m")
        if issue > self.as_of:
            self.calibration, pending = self._ahead(panel, issue)
            self._known = None
            self._pending = pending.where(pending.issue_times >= issue - np.timedelta64(WAIT, "m"))
            self._since += 1
            if self._since >= self._every:
                self._keep(now)
        return self.calibration

    def _keep(self, now: datetime) -> None:
        kept, bundle = self.calibration, self._bundle
        as_of = kept.as_of.astype("datetime64[us]").item().replace(tzinfo=UTC)
        state = pack(kept, self._pending)
        self._store.write_calibration(bundle.region.name, bundle.digest, kept.id, as_of, state, now=now)
        self._since = 0


def wanted_calibration(store: Store, loaded: Loaded, at: datetime, wanted: str | None) -> Calibration:
    """The calibration of this id: the frozen one, or one in force at `at` or now; without an id the one at `at`.

    Raises:
        UnknownCalibrationError: it is none of them.
        ModelError: a state that is kept cannot be read.
    """
    bundle = loaded.bundle
    in_force = calibration_in_force(store, bundle, at)
    if wanted is None or wanted == in_force.id:
        return in_force
    known = {one.id: one for one in (bundle.calibration, calibration_in_force(store, bundle))}
    if wanted not in known:
        raise UnknownCalibrationError(
            f"Version {loaded.version} has no calibration {wanted!r} at {minute(at)}Z.",
            remedy=f"Use one of: {', '.join(dict.fromkeys((in_force.id, *known)))}; or leave it out.",
            calibration_id=wanted,
            model_version=loaded.version,
        )
    return known[wanted]


def resumed(
    store: Store, bundle: Bundle, window: Window, until: datetime | None, held: FollowedCalibration | None = None
) -> FollowedCalibration:
    """The calibration of a version up to an issue time: it repeats the steps since the last checkpoint, for at most
    `WAIT`, each with what was known when that issue time was published.

    Args:
        store: the tables.
        bundle: the version.
        window: makes the panels.
        until: the last issue time that counts; None: nothing has been published.
        held: the version's calibration in memory; the store's checkpoint counts if it is much newer.
    """
    interval = bundle.region.interval
    if held is None or (until is not None and until - aware(held.as_of) > CHECKPOINT_EVERY * interval):
        held = FollowedCalibration(store, bundle)
    if until is None or aware(held.as_of) >= until:
        return held
    for one in published(store, bundle.region.name, max(aware(held.as_of) + interval, until - WAIT), until):
        if one.revision == 0:
            held.step(window.at(one.known_at), one.nowcast.issue_time, now=one.known_at)
    return held
