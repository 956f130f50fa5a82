import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle, at_steps
from power_nowcast.bundle.outcomes import at_knots, first_known
from power_nowcast.bundle.train import VALID_LOSS, examples, train_bundle
from power_nowcast.contracts import MEDIAN, FeatureBlock, Table
from power_nowcast.errors import (
    ArtifactDigestError,
    ConfigurationError,
    FormatVersionError,
    MissingDataError,
    ModelError,
)
from power_nowcast.features.build_features import build
from power_nowcast.models.base import Model
from power_nowcast.models.boosters.base import BoostedModel
from power_nowcast.models.examples import Examples
from power_nowcast.models.kinds import KINDS, create, model_class
from tests.features.history import DAYS, SPEC, START, STEP, bulk, past, region, rows

BOOSTERS = ("lightgbm", "xgboost")
SMALL = {"n_estimators": 40, "learning_rate": 0.2, "num_leaves": 7, "max_depth": 3, "early_stopping": 5}
NETWORK = {"epochs": 3, "width": 16, "hidden": 8, "shared_width": 8}
RARE = ("mlp_global", "mlp_local", "lstm", "tft")
OPTIONS = dict.fromkeys(("mlp", *RARE), NETWORK) | {"ensemble": {"members": {"lightgbm": SMALL, "mlp": NETWORK}}}


def minute(slot: int) -> np.datetime64:
    return np.datetime64((START + slot * STEP).replace(tzinfo=None), "m")


@pytest.fixture(scope="module")
def panel():
    return bulk(past(11, gaps=4))


@pytest.fixture(scope="module")
def known(panel) -> dict[str, Examples]:
    issues = panel.times[9 * 48 :]
    both = examples(panel, region(), issues, SPEC)
    return {
        "train": both.during(minute(9 * 48), minute(13 * 48), 90),
        "valid": both.during(minute(13 * 48), minute(DAYS * 48 - 6), 90),
    }


class Bundles(dict[str, Bundle]):
    """A bundle of each kind, trained when a test asks for it."""

    def __init__(self, known: dict[str, Examples]) -> None:
        super().__init__()
        self.known = known

    def __missing__(self, kind: str) -> Bundle:
        model = create(kind, region().series, SPEC.knots, **OPTIONS.get(kind, SMALL))
        self[kind], report = train_bundle(region(), SPEC, model, self.known["train"], self.known["valid"])
        assert 0 < report.metrics[VALID_LOSS] < 5
        return self[kind]


@pytest.fixture(scope="module")
def bundles(known: dict[str, Examples]) -> Bundles:
    return Bundles(known)


# The export of a network takes seconds; each kind has tests of its own, and `mlp` stands for all here.
every_kind = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow if kind in RARE else ()) for kind in KINDS]
)


@every_kind
def test_quantiles_are_finite_and_never_cross(bundles: dict[str, Bundle], panel, kind: str) -> None:
    values = bundles[kind].predict(panel, panel.times[12 * 48 : 15 * 48]).values
    answered = np.isfinite(values).all(axis=-1)
    assert answered.mean() > 0.9
    assert (np.diff(values[answered], axis=-1) >= 0).all()


@every_kind
def test_saved_and_loaded_is_the_same(bundles: dict[str, Bundle], panel, kind: str, tmp_path: Path) -> None:
    bundle = bundles[kind]
    bundle.save(tmp_path / "b")
    bundle.save(tmp_path / "b")  # replaces as a whole
    back = Bundle.load(tmp_path / "b")
    back.check()
    assert back.digest == bundle.digest
    assert back.info == bundle.info
    issues = panel.times[12 * 48 : 13 * 48]
    assert np.allclose(
        back.predict(panel, issues).values, bundle.predict(panel, issues).values, atol=1e-9, rtol=0, equal_nan=True
    )
    for file in (tmp_path / "b").rglob("*"):
        assert file.suffix in {"", ".json", ".txt", ".ubj", ".onnx"}, "native files only"
        assert file.is_dir() or file.read_bytes()[:1] != b"\x80", "no pickle"
    assert not [p for p in tmp_path.iterdir() if p.name != "b"]


@pytest.mark.parametrize("kind", BOOSTERS)
def test_training_again_gives_the_same_model(bundles: dict[str, Bundle], known: dict[str, Examples], kind: str) -> None:
    model = create(kind, region().series, SPEC.knots, **SMALL)
    again, report = train_bundle(region(), SPEC, model, known["train"], known["valid"])
    assert np.array_equal(again.golden_mw, bundles[kind].golden_mw, equal_nan=True)
    rounds = [value for name, value in report.metrics.items() if name.startswith("rounds/")]
    assert len(rounds) == len(region().series) * len(SPEC.knots)
    assert min(rounds) < SMALL["n_estimators"], "early stopping"
    assert any(name.endswith("/valid") for name in report.curves)


@pytest.mark.parametrize("kind", BOOSTERS)
def test_importance_and_shap_add_up(bundles: dict[str, Bundle], known: dict[str, Examples], kind: str) -> None:
    model = bundles[kind].model
    assert isinstance(model, BoostedModel)
    assert sum(model.importance().values()) == pytest.approx(1)
    block = known["valid"].block.take(np.arange(20))
    names, x, shap = model.explain(block, "ALL", 60)
    assert x.shape == shap.shape == (20, len(names))
    centre = model.predict(block)[:, 0, SPEC.knots.index(60), MEDIAN] - block.origin_mw[:, 0]
    base = centre - shap.sum(axis=1)
    assert np.ptp(base) == pytest.approx(0, abs=1e-3 * max(1, np.abs(centre).max()))


def test_models_answer_without_weather_or_forecast(bundles: dict[str, Bundle], known: dict[str, Examples]) -> None:
    block = known["valid"].block.take(np.arange(5))
    x = block.x.copy()
    x[..., [n for n, name in enumerate(block.names) if name.startswith(("operator", "K."))]] = np.nan
    for kind in BOOSTERS:
        assert np.isfinite(bundles[kind].model.predict(replace(block, x=x))).all()


def test_an_unknown_model_is_named() -> None:
    with pytest.raises(ConfigurationError, match="lightgbm"):
        model_class("oracle")
    assert model_class("lgbm") is model_class("lightgbm")


def test_nothing_to_learn_from_is_said(known: dict[str, Examples]) -> None:
    blind = Examples(known["train"].block, np.full_like(known["train"].outcome_mw, np.nan))
    with pytest.raises(MissingDataError, match="nothing to train on"):
        train_bundle(region(), SPEC, create("persistence", region().series, SPEC.knots), blind, known["valid"])


def test_damage_is_noticed(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    folder = tmp_path / "b"
    bundles["lightgbm"].save(folder)
    part = next((folder / "model").glob("*.txt"))
    part.write_bytes(part.read_bytes()[:-10])
    with pytest.raises(ArtifactDigestError, match=part.name):
        Bundle.load(folder)
    part.unlink()
    with pytest.raises(ArtifactDigestError):
        Bundle.load(folder)


def test_other_formats_and_no_model_at_all(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    folder = tmp_path / "b"
    bundles["persistence"].save(folder)
    head = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(head | {"format_version": 99}))
    with pytest.raises(FormatVersionError, match="99"):
        Bundle.load(folder)
    with pytest.raises(ModelError, match="no model"):
        Bundle.load(tmp_path / "nowhere")


def test_a_path_that_cannot_be_written(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        bundles["persistence"].save(tmp_path / "file" / "b")


def test_an_interrupted_save_leaves_the_old_model(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    folder = tmp_path / "b"
    bundles["persistence"].save(folder)

    class Cut(type(bundles["persistence"].model)):  # type: ignore[misc]
        def save(self, folder: Path) -> None:
            raise KeyboardInterrupt

    broken = replace(bundles["persistence"], model=Cut(region().series, SPEC.knots))
    with pytest.raises(KeyboardInterrupt):
        broken.save(folder)
    assert Bundle.load(folder).digest == bundles["persistence"].digest
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_golden_rows_unmask_another_answer(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["lightgbm"]
    with pytest.raises(ModelError, match="golden"):
        replace(bundle, golden_mw=bundle.golden_mw + 1).check()


def limited(bundle: Bundle, *, allow_negative: bool = False, **maxima: float) -> Bundle:
    """The bundle in a region with other limits."""
    zones = [zone.model_copy(update={"max_mw": maxima.get(zone.name, zone.max_mw)}) for zone in bundle.region.zones]
    power = bundle.region.power.model_copy(update={"options": {"allow_negative": allow_negative}})
    return replace(bundle, region=bundle.region.model_copy(update={"zones": tuple(zones), "power": power}))


def test_answers_for_a_load_stay_within_what_is_plausible(bundles: dict[str, Bundle], panel) -> None:
    bundle, issues = bundles["persistence"], panel.times[12 * 48 : 14 * 48]
    # Bands much wider than the load itself, on both sides.
    wide = replace(bundle, model=wider(bundle.model, 5000.0), fallback=wider(bundle.fallback, 5000.0))
    free = limited(wide, allow_negative=True, A=1e9, B=1e9)
    block = free.features(panel, issues)
    for answer in (Bundle.from_features, Bundle.late):
        whole = answer(free, block).values
        assert np.nanmin(whole) < 0
        assert np.nanmax(whole) > 6000
        values = answer(limited(wide, A=3000.0, B=2500.0), block).values
        most = np.array([5500.0, 3000.0, 2500.0])[:, None, None]
        np.testing.assert_array_equal(values, np.clip(whole, 0.0, most))
        assert (np.diff(values[np.isfinite(values).all(axis=-1)], axis=-1) >= 0).all()
        below = answer(limited(wide, allow_negative=True, A=3000.0, B=2500.0), block).values
        np.testing.assert_array_equal(below, np.minimum(whole, most))
    quiet = limited(bundle, A=1e9, B=1e9, allow_negative=True).from_features(block).values
    np.testing.assert_array_equal(bundle.from_features(block).values, quiet, "nothing exceeds: nothing changes")


def wider[M: Model](model: M, by_mw: float) -> M:
    return type(model)(model.series, model.knots, model.errors + np.linspace(-by_mw, by_mw, 7))


def test_paths_stay_within_what_is_plausible(bundles: dict[str, Bundle], panel) -> None:
    bundle = limited(bundles["persistence"], A=1000.0, B=1000.0)
    issue = panel.times[13 * 48]
    values = np.tile(np.linspace(-50.0, 2500.0, 7), (3, 2, 1))
    paths = bundle.paths(issue, values, np.zeros(3), 500)
    assert (paths.min(axis=(1, 2)) == 0).all()
    assert paths.max(axis=(1, 2)).tolist() == [2000.0, 1000.0, 1000.0]


def test_golden_answers_of_before_may_lie_outside(bundles: dict[str, Bundle]) -> None:
    bundle = limited(bundles["persistence"], A=1.0, B=1.0)
    assert bundle.golden_mw.max() > 2
    bundle.check()


def test_replay_does_not_learn_from_the_future(bundles: dict[str, Bundle]) -> None:
    frames, cut = past(11, gaps=4), 14 * 48
    issues = bulk(frames).times[12 * 48 : 15 * 48]
    upto = issues <= minute(cut)
    valid = pl.col("valid_at") > START + cut * STEP
    changed = {**frames, Table.POWER: frames[Table.POWER].with_columns(
        value=pl.when(valid).then(pl.col("value") * 3).otherwise("value"))}  # fmt: skip
    corrected = {**frames, Table.POWER: pl.concat([frames[Table.POWER], rows(
        [("A", START + n * STEP, 1.0, START + (cut + 1) * STEP, "seen") for n in range(12 * 48, cut)])])}  # fmt: skip
    before, state = bundles["lightgbm"].replay(bulk(frames), issues)
    assert state.id != bundles["lightgbm"].calibration.id
    for other in (changed, corrected):
        after, _ = bundles["lightgbm"].replay(bulk(other), issues)
        assert np.array_equal(before.values[upto], after.values[upto], equal_nan=True)
        assert not np.array_equal(before.values, after.values, equal_nan=True)


def test_outcomes_are_the_first_known_values() -> None:
    frames = past(12, gaps=0, late=0, corrections=0)
    slot, late = 10 * 48, START + (10 * 48 + 9) * STEP
    power = frames[Table.POWER].filter((pl.col("series") != "A") | (pl.col("valid_at") != START + slot * STEP))
    told = rows([("A", START + slot * STEP, 5.0, late, "seen"), ("B", START + slot * STEP, 6.0, late, "seen")])
    values, when = first_known(bulk({**frames, Table.POWER: pl.concat([power, told])}), region())
    assert values[slot, 1] == 5.0, "late, but the first"
    assert when[slot, 1] == np.datetime64(late.replace(tzinfo=None), "m")
    assert values[slot, 2] != 6.0, "a correction comes later"
    assert when[slot, 0] == when[slot, 1], "the total is known when its last zone is"
    assert values[slot, 0] == values[slot, 1] + values[slot, 2]


def test_knots_lie_after_the_origin() -> None:
    panel = bulk(past(13, gaps=0, late=0, corrections=0))
    block = build(panel, region(), panel.times[[500]], SPEC, delay_minutes=60)
    value, when = at_knots(panel, region(), block, (30, 60), 60)
    assert np.array_equal(value[0], panel.power.values[[499, 500]].T)
    assert (when[0] == panel.times[[499, 500]] + np.timedelta64(60, "m")).all()


def test_steps_are_read_between_knots() -> None:
    block = FeatureBlock(
        np.array(["2024-01-01T00:00"], "datetime64[m]"), ("A", "B", "C"), (), (),
        np.empty((1, 3, 0), np.float32), np.array([[100.0, 100.0, np.nan]]), np.array([[0.0, 20.0, np.nan]]),
        np.ones((1, 3)),
    )  # fmt: skip
    quantiles = np.array([130.0, 190.0]).reshape(1, 1, 2, 1) * np.ones((1, 3, 1, 1))
    out = at_steps(block, quantiles, (30, 60), (15, 30, 45))[0, :, :, 0]
    assert out[0].tolist() == [115, 130, 160]
    assert out[1][:2].tolist() == [140, 170]  # 20 minutes late: leads of 35 and 50 minutes
    assert np.isnan(out[1][2]), "beyond the last knot there is no answer"
    assert np.isnan(out[2]).all()


def test_every_lead_is_calibrated_by_itself(panel) -> None:
    wide = replace(SPEC, knots=(30, 120))
    both = examples(panel, region(), panel.times[9 * 48 :], wide)
    train = both.during(minute(9 * 48), minute(13 * 48), 120)
    valid = both.during(minute(13 * 48), minute(DAYS * 48 - 6), 120)
    bundle, _ = train_bundle(region(), wide, create("persistence", region().series, wide.knots), train, valid)
    assert bundle.leads == (30, 60, 90, 120)
    start, (_, after) = bundle.calibration, bundle.replay(panel, panel.times[13 * 48 : -6])
    assert np.allclose(start.base, start.at(wide.knots).at(bundle.leads).base)
    moved = np.abs(after.base - after.at(wide.knots).at(bundle.leads).base).max(axis=(0, 2))
    assert moved[[0, 3]].max() < 1e-9 < moved[[1, 2]].min(), "between knots outcomes of their own are counted"
