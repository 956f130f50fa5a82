"""Online calibration while the service runs: followed in the process, kept in the store every so often."""

from datetime import UTC, datetime

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.calibration_state import pack
from power_nowcast.contracts import Panel
from power_nowcast.live.nowcaster import calibration_in_force
from power_nowcast.store import Store

CHECKPOINT_EVERY = 12
"""Intervals from one checkpoint in the store to the next: an hour of five-minute intervals."""


class FollowedCalibration:
    """The calibration of a model version, which counts each outcome when it is known.

    The state in the process is that of the last checkpoint and the outcomes since. A restart has the checkpoint and
    finds the outcomes in the panel, so that it goes on with the same bits.

    Args:
        store: its `calibrations` hold the checkpoints.
        bundle: the model version.
        every: intervals from one checkpoint to the next.
    """

    def __init__(self, store: Store, bundle: Bundle, *, every: int = CHECKPOINT_EVERY) -> None:
        self._store = store
        self._bundle = bundle
        self._every = every
        self._checkpoint = self.calibration = calibration_in_force(store, bundle)

    def follow(self, panel: Panel, issue_time: np.datetime64, *, now: datetime) -> Calibration:
        """Count what is known at an issue time, and keep the state where a checkpoint is due.

        Args:
            panel: what is known; it reaches back to the last checkpoint, the longest lead and the model's history
                before it. Outcomes of times that it lacks are left out.
            issue_time: on the region's grid.
            now: when it is stored.

        Returns:
            The calibration in force at the issue time.

        Raises:
            StoreError: a checkpoint cannot be written.
        """
        bundle, checkpoint = self._bundle, self._checkpoint
        step = np.timedelta64(bundle.region.interval_minutes, "m")
        issue = np.datetime64(issue_time, "m")
        begin = max(
            checkpoint.as_of - np.timedelta64(max(bundle.leads), "m"),
            panel.start + np.timedelta64(bundle.minimum_history_minutes, "m"),
        )
        issues = issue - np.arange((issue - begin) // step, -1, -1) * step
        if len(issues) and issue > checkpoint.as_of:
            self.calibration = bundle.follow(checkpoint, panel, issues)
            if issue - checkpoint.as_of >= self._every * step:
                self._keep(now)
        return self.calibration

    def _keep(self, now: datetime) -> None:
        kept, bundle = self.calibration, self._bundle
        as_of = kept.as_of.astype("datetime64[us]").item().replace(tzinfo=UTC)
        self._store.write_calibration(bundle.region.name, bundle.digest, kept.id, as_of, pack(kept), now=now)
        self._checkpoint = kept
