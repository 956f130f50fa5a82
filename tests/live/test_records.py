"""Published rows: those of older versions of the table open, and say what they can."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

from power_nowcast.contracts.rungs import Rung
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.live.records import Published, not_live, publish, published
from power_nowcast.regions import load
from power_nowcast.store import Store
from power_nowcast.store.tables import NOWCASTS
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION
from tests.toy import toy_bundle, toy_panel

NEW = ("rung", "reasons")
"""Columns that older tables lack."""


def test_rows_of_before_there_were_rungs_open(tmp_path) -> None:
    """A table without the columns gets them with the next row; an old row has the rung of its quality."""
    panel = toy_panel(REGION)
    nowcast = Nowcaster(toy_bundle(REGION)).nowcast(panel, panel.end)
    due = BEGIN + 1.5 * HALF_HOUR
    given = Published(nowcast, "kind", "1", 0, BEGIN, due, BEGIN, True, "power 1", {"power": BEGIN})
    modern = Store(tmp_path / "modern")
    publish(modern, given)
    rows = modern.records[NOWCASTS].read("toy").drop("first_seen_at", *NEW)

    older = replace(NOWCASTS, schema=pl.Schema({n: t for n, t in NOWCASTS.schema.items() if n not in NEW}))
    old = Store(tmp_path / "old", records=(older,))
    old.records[older].add(rows, now=BEGIN)
    store = Store(tmp_path / "old")
    (one,) = published(store, "toy", given.issue_time, given.issue_time)
    assert one.nowcast.rungs == (Rung.ALL,) * 3
    assert one.nowcast.reasons == ((),) * 3

    late = replace(
        nowcast,
        issue_time=nowcast.issue_time + np.timedelta64(30, "m"),
        rungs=(Rung.LATE,) * 3,
        reasons=(("why",),) * 3,
    )
    publish(store, replace(given, nowcast=late, published_at=BEGIN + timedelta(minutes=30)))
    before, after = published(Store(tmp_path / "old"), "toy", given.issue_time, given.issue_time + HALF_HOUR)
    assert before.nowcast.rungs == (Rung.ALL,) * 3
    assert (after.nowcast.rungs, after.nowcast.reasons) == ((Rung.LATE,) * 3, (("why",),) * 3)
    assert Store(tmp_path / "old").records[NOWCASTS].read("toy")["rung"].to_list() == [None] * 3 + ["load late"] * 3


def test_data_of_the_past_have_a_flag() -> None:
    assert not_live(REGION) == ()
    assert not_live(load("nyiso")) == ("sample",)
