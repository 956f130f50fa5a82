"""Regions of 60-minute data: one step, from the files to the answer of the service."""

from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.cli import base
from power_nowcast.contracts import MEDIAN, Panel
from power_nowcast.features.build_features import build
from power_nowcast.features.rows import from_rows
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs import run as main_job
from power_nowcast.live.nowcaster import Nowcaster, Quality
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.models.kinds import KINDS, create, model_class
from power_nowcast.regions import Region, load
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.settings import settings
from power_nowcast.store import Store
from tests.serve.conftest import Client, values_of
from tests.small_job import TINY, write_power, write_region
from tests.toy import toy_region, toy_rows

DAYS = 365
"""A year, so that both clock changes lie in training."""


def hourly(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of half-hours as rows of hours: load the mean of the hour that ends at the stamp, weather as at its end."""
    hours = rows.with_columns(
        pl.col("valid_at").str.to_datetime(time_unit="us", time_zone="UTC").dt.offset_by("59m").dt.truncate("1h")
    )
    means = hours.group_by("valid_at", maintain_order=True).agg(
        pl.col("N.E.", "SOUTH 1").mean(), pl.col("KTOY.temperature_c").last(), pl.len()
    )
    whole = means.filter(pl.col("len") == 2).drop("len")
    return whole.with_columns(pl.col("valid_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return hourly(toy_rows(DAYS))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, work_in, rows: pl.DataFrame) -> Path:
    folder = work_in(tmp_path_factory.mktemp("hourly"))
    file = write_region(folder, "hourland", days=1)
    file.write_text(file.read_text().replace("interval_minutes = 30", "interval_minutes = 60"))
    write_power(folder, rows)
    rows.select("valid_at", "KTOY.temperature_c").write_csv(folder / "weather.csv")
    return file


@pytest.fixture(scope="module")
def said(file: Path) -> str:
    """What `nowcast run` shows."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in list(main_job.RUN_MODELS):
            patch.delitem(main_job.RUN_MODELS, kind)
        patch.setitem(main_job.RUN_MODELS, "lightgbm", TINY)
        patch.setattr(base.console, "width", 200)
        done = CliRunner().invoke(cli.app, ["run", "--region", str(file)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_it_runs_from_the_files_to_production(said: str, file: Path) -> None:
    assert "In production  hourland-nowcast version 1 (lightgbm)" in said
    assert "ALL in 60 min: " in said
    production = mlflow_client.by_alias(load(file), mlflow_client.PRODUCTION)
    assert production is not None


@pytest.mark.slow
def test_the_scorecard_is_that_of_the_file(said: str, file: Path, rows: pl.DataFrame) -> None:
    """Errors and coverage recomputed from the predictions and the file, in plain Polars."""
    folder = settings().reports / "hourland" / "lightgbm"
    told = pl.read_csv(folder / "tables" / "by_series.csv").sort("series")
    assert told["horizon_min"].to_list() == [60, 60, 60]
    truth = (
        rows.with_columns(
            valid_at=pl.col("valid_at").str.to_datetime(time_unit="us", time_zone="UTC"),
            ALL=pl.col("N.E.") + pl.col("SOUTH 1"),
        )
        .unpivot(index="valid_at", on=["ALL", "N.E.", "SOUTH 1"], variable_name="series", value_name="y")
        .sort("valid_at")
    )
    before = truth.select("series", "y", at=pl.col("valid_at")).rename({"y": "y_issue"})
    pairs = (
        pl.read_parquet(folder / "predictions.parquet")
        .with_columns(valid_at=pl.col("issue_time") + pl.duration(minutes=pl.col("horizon_min")))
        .join(truth, on=["series", "valid_at"])
        .join(before, left_on=["series", "issue_time"], right_on=["series", "at"])
    )
    expected = (
        pairs.group_by("series")
        .agg(
            n=pl.len(),
            MAE=(pl.col("q50") - pl.col("y")).abs().mean(),
            inside=pl.col("y").is_between("q10", "q90").mean(),
            persistence=(pl.col("y_issue") - pl.col("y")).abs().mean(),
        )
        .sort("series")
    )
    assert expected["n"].to_list() == [720] * 3
    np.testing.assert_allclose(told["MAE"].to_numpy(), expected["MAE"].to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(told["coverage_80"].to_numpy(), expected["inside"].to_numpy(), atol=1e-6)
    saved = 1 - expected["MAE"].to_numpy() / expected["persistence"].to_numpy()
    np.testing.assert_allclose(told["skill_persistence"].to_numpy(), saved, rtol=1e-6)
    assert (saved > 0.4).all(), "the load of made-up days is a wave that a model knows"
    assert expected["inside"].is_between(0.7, 0.9).all()


def _region() -> Region:
    return Region.model_validate(toy_region().model_dump() | {"interval_minutes": 60})


@pytest.fixture(scope="module")
def panel(rows: pl.DataFrame) -> Panel:
    return from_rows(_region(), rows.head(100 * 24))


def test_spans_are_hours() -> None:
    spec = FeatureSpec.for_interval(60)
    assert spec.knots == (60, 120)
    assert (spec.lags, spec.rolling, spec.neighbour_lags) == ((60, 120, 180), (180,), (60,))
    assert _region().steps_minutes == (60,)


def test_ramps_are_those_of_the_hours_before(panel: Panel) -> None:
    region, spec = _region(), FeatureSpec.for_interval(60)
    issue = panel.times[60 * 24 + 7]
    block = build(panel, region, np.array([issue]), spec)
    power = panel.power.values[:, 1]
    i = 60 * 24 + 7
    told = dict(zip(block.names, block.x[0, 1].astype(float), strict=True))
    for hours in (1, 2, 3):
        assert told[f"ramp_{60 * hours}m"] == pytest.approx(power[i] - power[i - hours], rel=1e-5)
    assert told["day7_ramp_h60"] == pytest.approx(power[i - 168 + 1] - power[i - 168], rel=1e-4)
    assert told["mean_180m"] == pytest.approx((power[i - 2 : i + 1] - power[i]).mean(), rel=1e-5)


OPTIONS: dict[str, dict[str, Any]] = {
    "lightgbm": TINY,
    "xgboost": {name: value for name, value in TINY.items() if name != "num_leaves"},
    "mlp": {"epochs": 2, "width": 16, "layers": 1},
    "mlp_global": {"epochs": 2, "width": 16, "layers": 1, "shared_width": 8, "shared_layers": 1},
    "mlp_local": {"epochs": 1, "width": 8, "layers": 1},
    "lstm": {"epochs": 1, "width": 16, "layers": 1, "hidden": 4},
    "tft": {"epochs": 1, "hidden": 8, "heads": 2},
    "ensemble": {"members": {"lightgbm": TINY, "persistence_ramp": {}}},
}


NETWORKS = ("mlp", "mlp_global", "mlp_local", "lstm", "tft")
"""Trained by PyTorch, which takes a while to be imported and compiled."""


@pytest.mark.parametrize(
    "kind", [pytest.param(one, marks=pytest.mark.slow) if one in NETWORKS else one for one in KINDS]
)
def test_every_kind_of_model_answers_one_step_and_late_data(kind: str, panel: Panel, tmp_path: Path) -> None:
    if missing := model_class(kind).missing():
        pytest.skip(f"{', '.join(missing)} not installed: the extra neural")
    region, spec = _region(), FeatureSpec.for_interval(60)
    issues = panel.times[44 * 24 :]
    known, cut = examples(panel, region, issues, spec), issues[len(issues) * 3 // 4]
    parts = known.during(issues[0], cut, 120), known.during(cut, issues[-1], 120)
    made, report = train_bundle(region, spec, create(kind, region.series, spec.knots, **OPTIONS.get(kind, {})), *parts)
    assert np.isfinite(report.metrics["valid_loss"])
    made.save(tmp_path / kind)
    bundle = Bundle.load(tmp_path / kind)
    assert bundle.digest == made.digest
    for minutes in (0, 20, 60):
        answer = Nowcaster(bundle).nowcast(panel, panel.end + np.timedelta64(minutes, "m"))
        assert answer.values.shape == (3, 1, 7)
        assert np.isfinite(answer.values).all()
        assert (np.diff(answer.values, axis=-1) >= 0).all()
        assert (answer.age_minutes == minutes).all()
        assert set(answer.quality) == {Quality.FULL}
        paths = bundle.paths(answer.issue_time, answer.values, answer.age_minutes, 50, seed=1)
        assert paths.shape == (3, 50, 1)
        inside = (paths[..., 0] >= answer.values[:, :1, 0]) & (paths[..., 0] <= answer.values[:, :1, -1])
        assert (inside.mean(axis=1) > 0.6).all(), "the outermost quantiles hold nine of ten paths"
    _, calibration = bundle.replay(panel, issues[-48:])
    assert calibration.as_of >= issues[-2]


def test_the_service_answers_its_one_step(rows: pl.DataFrame, panel: Panel, tmp_path: Path) -> None:
    region, spec = _region(), FeatureSpec.for_interval(60)
    known = examples(panel, region, panel.times[44 * 24 :], spec)
    cut = panel.times[80 * 24]
    parts = known.during(panel.times[44 * 24], cut, 120), known.during(cut, panel.end, 120)
    bundle, _ = train_bundle(region, spec, create("persistence_ramp", region.series, spec.knots), *parts)
    bundle.save(tmp_path / "bundle")
    slot = ModelSlot(region, lambda: Fetched(tmp_path / "bundle", "1", bundle.digest), tmp_path / "cache")
    slot.load()
    store = Store(tmp_path / "store")
    now = panel.end.astype("datetime64[us]").item().replace(tzinfo=UTC) + timedelta(minutes=25)
    for table, values in values_of(rows.head(100 * 24), region).items():
        store.append(table, values, now=now)
    client = Client(create_app({region.name: Served(region, slot)}, store, default_region="toy", clock=lambda: now))
    told = client.get("/v1/nowcast/toy?series=ALL&horizon=60")
    assert told.status_code == 200, told.text
    answer = Nowcaster(bundle).nowcast(panel, np.datetime64(now.replace(tzinfo=None), "m"))
    body = told.json()
    assert body["horizon_min"] == [60]
    assert body["nowcasts"][0]["age_minutes"] == 25
    np.testing.assert_allclose(body["nowcasts"][0]["quantiles"]["q50"], answer.values[0, :, MEDIAN], atol=0.01)
    refused = client.get("/v1/nowcast/toy?horizon=30")
    assert refused.status_code in (404, 422)
    assert "60" in refused.text
    paths = client.get("/v1/nowcast/toy/paths?series=ALL&count=3").json()
    assert [len(path) for path in paths["series"][0]["paths"]] == [1, 1, 1]
