"""backtest: the truth of issue times, and a replay of real models over them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.contracts import PREDICTIONS, QUANTILES, Grid, Nowcasts, Panel, Patches, Times
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.evaluate import backtest as rolling
from power_nowcast.evaluate.backtest import WRITTEN, Backtest
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.baselines import Persistence, PersistenceRamp
from power_nowcast.regions import Region, load

START = np.datetime64("2014-03-01T00:00", "m")


def _panel(region: Region, slots: int = 48 * 25, start: np.datetime64 = START) -> Panel:
    """A panel whose load tells its slot, the series and a daily shape."""
    power = np.arange(slots)[:, None] + 1000.0 * (1 + np.arange(len(region.series)))
    power += 100 * np.sin(2 * np.pi * np.arange(slots) / (1440 / region.interval_minutes))[:, None]
    if region.total:
        power[:, 0] = power[:, 1:].sum(axis=1)
    return Panel(
        region=region.name,
        known_at=start,
        power=Grid(start, region.interval_minutes, region.series, power),
    )


class Echo:
    """The newest value that is known, without spread: a forecaster as small as one can be."""

    def replay(self, panel: Panel, issue_times: Times, *, delay_minutes: int = 0) -> tuple[Nowcasts, None]:
        steps = (30, 60)
        slot = ((issue_times - panel.start).astype(np.int64) - delay_minutes) // panel.step_minutes
        values = np.broadcast_to(
            panel.power.values[slot][:, :, None, None], (len(slot), len(panel.series), 2, len(QUANTILES))
        )
        return Nowcasts(panel.region, issue_times, panel.series, steps, values.copy()), None


@pytest.fixture(scope="module")
def victoria() -> Region:
    return load("victoria")


def test_issue_times_include_both_ends() -> None:
    first = datetime(2019, 7, 1, tzinfo=UTC)

    times = rolling.issue_times(first, first + timedelta(hours=1), 15)

    assert [str(time) for time in times] == [
        f"2019-07-01T{clock}" for clock in ("00:00", "00:15", "00:30", "00:45", "01:00")
    ]


def test_the_truth_is_the_value_at_each_step(victoria: Region) -> None:
    panel = _panel(victoria)
    issues = START + np.array([0, 90, 60], "timedelta64[m]")

    found = rolling.truth(panel, victoria, issues, (0, 30, 60))

    assert found.shape == (3, 1, 3)
    np.testing.assert_array_equal(found[:, 0], panel.power.values[[[0, 1, 2], [3, 4, 5], [2, 3, 4]], 0])


def test_there_is_no_truth_beyond_the_panel_or_off_its_grid(victoria: Region) -> None:
    panel = _panel(victoria, slots=4)

    found = rolling.truth(panel, victoria, START + np.array([-30, 60, 15], "timedelta64[m]"), (30, 60))

    assert np.isnan(found[:, 0]).tolist() == [[False, False], [False, True], [True, True]]


@given(st.integers(-200, 200), st.sampled_from([5, 30, 60]))
def test_the_truth_never_comes_from_another_time(offset: int, step: int) -> None:
    region = load("nyiso")
    panel = _panel(region, slots=30)
    issue = START + np.timedelta64(offset, "m")

    found = rolling.truth(panel, region, np.array([issue]), (step,))[0, :, 0]

    place = np.flatnonzero(panel.times == issue + np.timedelta64(step, "m"))
    np.testing.assert_allclose(
        found, panel.power.values[place[0]] if len(place) else np.full(len(region.series), np.nan)
    )


def test_late_rows_and_corrections_are_the_truth_also_of_the_total() -> None:
    region = load("nyiso")
    panel = _panel(region, slots=10)
    late = Patches(
        np.array(["2014-03-05T00:00"], "datetime64[m]"),
        np.zeros(1, np.int8),
        np.array([3]),
        np.array([2]),
        np.array([7777.0]),
    )

    found = rolling.truth(replace(panel, patches=late), region, np.array([START]), (15,))[0, :, 0]

    assert found[2] == 7777.0
    assert found[0] == pytest.approx(found[1:].sum())


def test_a_run_collects_model_baselines_and_late_data(victoria: Region) -> None:
    panel = _panel(victoria)
    issues = START + np.arange(480, 960, 30).astype("timedelta64[m]")

    found = rolling.run(Echo(), {"echo": Echo()}, panel, victoria, issues, delays=(0, 30))

    np.testing.assert_array_equal(found.at_issue, panel.power.values[16:32])
    np.testing.assert_array_equal(found.nowcasts.values[:, 0, 0, 3], panel.power.values[16:32, 0])
    np.testing.assert_array_equal(found.late[30].values[:, 0, 0, 3], panel.power.values[15:31, 0])
    np.testing.assert_array_equal(found.late_baselines[30]["echo"].values, found.late[30].values)
    assert set(found.late) == {30}
    assert (found.first, found.last) == (datetime(2014, 3, 1, 8, tzinfo=UTC), datetime(2014, 3, 1, 15, 30, tzinfo=UTC))


def test_real_bundles_can_be_run(victoria: Region) -> None:
    panel = _panel(victoria)
    spec = FeatureSpec.for_interval(30, weather=False)
    issues = START + np.arange(10 * 1440, 24 * 1440, 30).astype("timedelta64[m]")
    known = examples(panel, victoria, issues, spec)
    middle = START + np.timedelta64(17, "D")
    train = known.during(START, middle, 90)
    valid = known.during(middle, START + np.timedelta64(20, "D"), 90)
    ramp, _ = train_bundle(victoria, spec, PersistenceRamp(victoria.series, spec.knots), train, valid)
    flat, _ = train_bundle(victoria, spec, Persistence(victoria.series, spec.knots), train, valid)

    found = rolling.run(ramp, {"persistence": flat}, panel, victoria, issues[-150:], delays=(30,))

    # The load repeats its days but for a slow climb of a MW a slot, so the ramp of last week is nearly the truth.
    error = np.nanmean(np.abs(found.nowcasts.values[..., 3] - found.actual))
    assert error < 0.2 * np.nanmean(np.abs(found.baselines["persistence"].values[..., 3] - found.actual))
    assert np.isfinite(found.late[30].values[:, :, 0]).all()

    # Bundles that share features answer as each one does alone, also if they read others.
    other = replace(flat, spec=FeatureSpec.for_interval(30, weather=False, lags=(30, 60)))
    backwards = issues[-150:][::-1]
    found = rolling.run(ramp, {"flat": flat, "other": other}, panel, victoria, backwards, delays=(30,))
    for name, one in (("flat", flat), ("other", other)):
        alone = one.replay(panel, backwards)[0], one.replay(panel, backwards, delay_minutes=30)[0]
        np.testing.assert_array_equal(found.baselines[name].values, alone[0].values)
        np.testing.assert_array_equal(found.late_baselines[30][name].values, alone[1].values)
    np.testing.assert_array_equal(found.late[30].values, ramp.replay(panel, backwards, delay_minutes=30)[0].values)


def test_a_period_without_truth_is_refused(victoria: Region) -> None:
    panel = _panel(victoria, slots=20)

    with pytest.raises(MissingDataError, match="could be scored"):
        rolling.run(Echo(), {}, panel, victoria, panel.times[-1:])


def test_nowcasts_of_other_times_are_refused(backtest: Backtest) -> None:
    shifted = replace(backtest.nowcasts, issue_times=backtest.nowcasts.issue_times + np.timedelta64(5, "m"))

    with pytest.raises(ConfigurationError, match="cannot be compared"):
        replace(backtest, baselines={"persistence": shifted})


def test_a_truth_of_another_shape_is_refused(backtest: Backtest) -> None:
    with pytest.raises(ConfigurationError, match="shape"):
        replace(backtest, actual=backtest.actual[:-1])


def test_predictions_are_written_in_the_agreed_schema(backtest: Backtest, tmp_path: Path) -> None:
    path = backtest.write_predictions(tmp_path / "new folder" / "predictions.parquet")

    table = pl.read_parquet(path)
    assert table.schema == WRITTEN
    assert table.select(*PREDICTIONS).schema == PREDICTIONS, "what a comparison reads comes first"
    assert len(table) == backtest.nowcasts.values[..., 0].size
    row = table.row(5, named=True)  # issue 0, series 1, step 1
    assert (row["series"], row["horizon_min"]) == ("NORTH", 30)
    assert row["q90"] == backtest.nowcasts.values[0, 1, 1, 5]
    assert row["valid_at"] - row["issue_time"] == timedelta(minutes=30)
    assert (row["actual_mw"], row["at_issue_mw"]) == (backtest.actual[0, 1, 1], backtest.at_issue[0, 1])


def test_what_was_not_published_and_what_was_not_said_is_told_from_a_number(backtest: Backtest, tmp_path: Path) -> None:
    actual, at_issue, values = backtest.actual.copy(), backtest.at_issue.copy(), backtest.nowcasts.values.copy()
    actual[0, 0, 0] = at_issue[0, 0] = np.nan
    values[0, 0, 1] = np.nan
    poor = replace(backtest, actual=actual, at_issue=at_issue, nowcasts=replace(backtest.nowcasts, values=values))
    table = pl.read_parquet(poor.write_predictions(tmp_path / "predictions.parquet"))
    first, second = table.row(0, named=True), table.row(1, named=True)
    assert (first["actual_mw"], first["at_issue_mw"]) == (None, None)
    assert second["horizon_min"] == backtest.nowcasts.steps_minutes[2], "the row without an answer is left out"
    assert second["actual_mw"] == actual[0, 0, 2]


def test_written_predictions_are_read_back(backtest: Backtest, tmp_path: Path) -> None:
    actual, at_issue, values = backtest.actual.copy(), backtest.at_issue.copy(), backtest.nowcasts.values.copy()
    actual[0, 0, 0] = at_issue[1, 1] = np.nan
    values[0, 0, 1] = np.nan
    poor = replace(backtest, actual=actual, at_issue=at_issue, nowcasts=replace(backtest.nowcasts, values=values))
    again = Backtest.read_predictions(poor.write_predictions(tmp_path / "predictions.parquet"), backtest.region)
    np.testing.assert_array_equal(again.nowcasts.values, values)
    np.testing.assert_array_equal(again.nowcasts.issue_times, backtest.nowcasts.issue_times)
    assert (again.nowcasts.series, again.nowcasts.steps_minutes) == (poor.nowcasts.series, poor.nowcasts.steps_minutes)
    np.testing.assert_array_equal(again.actual, np.where(np.isnan(values[..., 0]), np.nan, actual))
    np.testing.assert_array_equal(again.at_issue, at_issue)
    assert again.baselines == {}


def test_a_file_of_other_columns_is_no_backtest(backtest: Backtest, tmp_path: Path) -> None:
    path = backtest.write_predictions(tmp_path / "predictions.parquet")
    pl.read_parquet(path).drop("actual_mw").write_parquet(path)
    with pytest.raises(SourceFormatError, match="no column actual_mw"):
        Backtest.read_predictions(path, backtest.region)
