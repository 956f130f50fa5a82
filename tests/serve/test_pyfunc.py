import json
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModelContext

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import digest_of
from power_nowcast.errors import ArtifactDigestError
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.serve.pyfunc import NowcastModel
from tests.forging import change_head, forge, head_of
from tests.toy import toy_bundle, toy_panel, toy_region, toy_rows


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle(toy_region())


@pytest.fixture(scope="module")
def model(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> NowcastModel:
    folder = tmp_path_factory.mktemp("model") / "bundle"
    bundle.save(folder)
    loaded = NowcastModel()
    loaded.load_context(PythonModelContext({"bundle": str(folder)}, {}))
    return loaded


@pytest.fixture
def rows() -> pd.DataFrame:
    return toy_rows().to_pandas()


def ask(model: NowcastModel, rows: pd.DataFrame, **params: object) -> pd.DataFrame:
    return model.predict(PythonModelContext({}, {}), rows, params)


def test_answers_equal_the_nowcaster(model: NowcastModel, bundle: Bundle, rows: pd.DataFrame) -> None:
    panel = toy_panel(bundle.region)
    expected = Nowcaster(bundle).nowcast(panel, panel.end)
    answer = ask(model, rows)
    assert list(answer["series"]) == [name for name in expected.series for _ in expected.steps_minutes]
    assert list(answer["horizon_min"]) == [30, 60] * 3
    assert set(answer["issue_time"]) == {"2024-04-29T23:30:00Z"}
    assert list(answer["valid_at"][:2]) == ["2024-04-30T00:00:00Z", "2024-04-30T00:30:00Z"]
    found = answer[[f"q{round(100 * q):02d}" for q in expected.quantiles]].to_numpy().reshape(expected.values.shape)
    np.testing.assert_array_equal(found, expected.values)
    assert (answer["yhat"] == answer["q50"]).all()
    assert set(answer["model_digest"]) == {bundle.digest}
    assert set(answer["calibration_id"]) == {bundle.calibration.id}
    assert set(answer["quality"]) == {"full"}


def test_one_horizon_of_an_earlier_issue_time(model: NowcastModel, bundle: Bundle, rows: pd.DataFrame) -> None:
    answer = ask(model, rows, issue_time="2024-04-25T08:00:00-04:00", horizon=60)
    expected = Nowcaster(bundle).nowcast(toy_panel(bundle.region), np.datetime64("2024-04-25T12:00"))
    np.testing.assert_array_equal(answer["yhat"], expected.values[:, 1, 3])
    assert set(answer["horizon_min"]) == {60}
    assert set(answer["issue_time"]) == {"2024-04-25T12:00:00Z"}


def test_rows_after_the_issue_time_change_nothing(model: NowcastModel, rows: pd.DataFrame) -> None:
    cut = rows["valid_at"] <= "2024-04-25T12:00:00Z"
    whole = ask(model, rows, issue_time="2024-04-25T12:00:00Z")
    pd.testing.assert_frame_equal(ask(model, rows[cut]), whole)
    later = rows.copy()
    later.loc[~cut, "N.E."] = 9e5
    pd.testing.assert_frame_equal(ask(model, later, issue_time="2024-04-25T12:00:00Z"), whole)


def test_rows_come_in_any_form_of_the_same(model: NowcastModel, rows: pd.DataFrame) -> None:
    expected = ask(model, rows)
    stamped = pd.to_datetime(rows["valid_at"])
    assert stamped.dt.tz is not None
    naive = stamped.dt.tz_localize(None)
    for stamps in (
        stamped,
        stamped.dt.tz_convert("America/New_York"),
        naive,
        *(naive.astype(f"datetime64[{unit}]") for unit in ("s", "ms", "us")),
        stamped.astype(object),
        naive.astype(object),
        pd.Series([time.to_pydatetime() for time in stamped], dtype=object),
        pd.Series(list(naive.to_numpy()), dtype=object),
        stamped.map(lambda time: time.isoformat()),
    ):
        pd.testing.assert_frame_equal(ask(model, rows.assign(valid_at=stamps)), expected)
    pd.testing.assert_frame_equal(ask(model, rows.sample(frac=1, random_state=1)), expected)
    pd.testing.assert_frame_equal(ask(model, rows.set_index(stamped)), expected)
    for kind in (object, "Float64"):
        pd.testing.assert_frame_equal(ask(model, rows.astype({"N.E.": kind})), expected)
    whole = rows.assign(**{"N.E.": rows["N.E."].round()})
    expected = ask(model, whole)
    for kind in ("int64", "int32", "uint16", "Int64", object):
        pd.testing.assert_frame_equal(ask(model, whole.astype({"N.E.": kind})), expected)


def test_a_column_of_whole_numbers_may_have_gaps(model: NowcastModel, rows: pd.DataFrame) -> None:
    gaps = rows.assign(**{"N.E.": rows["N.E."].round()})
    gaps.loc[gaps.index[-4:-2], "N.E."] = np.nan
    expected = ask(model, gaps)
    pd.testing.assert_frame_equal(ask(model, gaps.astype({"N.E.": "Int64"})), expected)
    missing = gaps["N.E."].astype(object).where(gaps["N.E."].notna(), None)
    pd.testing.assert_frame_equal(ask(model, gaps.assign(**{"N.E.": missing})), expected)


def test_nothing_of_the_minute_after_the_issue_time_is_known(model: NowcastModel, rows: pd.DataFrame) -> None:
    at_noon = ask(model, rows, issue_time="2024-04-25T12:00:00Z")
    for late in ("2024-04-25T12:00:59Z", "2024-04-25T12:00:59.999999Z", "2024-04-25T14:00:01+02:00"):
        pd.testing.assert_frame_equal(ask(model, rows, issue_time=late), at_noon)
    before = ask(model, rows, issue_time="2024-04-25T11:59:59Z")
    assert set(before["issue_time"]) == {"2024-04-25T11:59:00Z"}
    assert (before["yhat"] != at_noon["yhat"]).all()


def test_no_answer_is_none_and_becomes_null(model: NowcastModel, rows: pd.DataFrame) -> None:
    from mlflow.pyfunc.scoring_server import predictions_to_json

    rows.loc[rows.index[-8:], "N.E."] = None
    answer = ask(model, rows)
    refused = answer["quality"] == "refused"
    assert set(answer["series"][refused]) == {"N.E."}, "the total is from the other zone"
    assert answer["yhat"][refused].map(lambda value: value is None).all()
    assert np.isfinite(answer["q95"][~refused].astype(float)).all()
    out = StringIO()
    predictions_to_json(answer, out)
    told = json.loads(out.getvalue(), parse_constant=pytest.fail)["predictions"]
    assert [row["q05"] is None for row in told] == refused.tolist()


def test_an_answer_inside_the_training_data_says_so(model: NowcastModel, bundle: Bundle, rows: pd.DataFrame) -> None:
    assert set(ask(model, rows)["flags"]) == {""}
    inside = ask(model, rows, issue_time="2024-04-25T12:00:00Z")
    assert (set(inside["quality"]), set(inside["flags"])) == ({"full"}, {"inside training data"})
    dry = ask(model, rows.drop(columns="KTOY.temperature_c"), issue_time="2024-04-25T12:00:00Z")
    assert set(dry["flags"]) == {"no weather; inside training data"}


def test_a_missing_input_is_said(model: NowcastModel, rows: pd.DataFrame) -> None:
    assert set(ask(model, rows.drop(columns="KTOY.temperature_c"))["quality"]) == {"reduced"}
    rows.loc[rows.index[-6:], "N.E."] = None
    answer = ask(model, rows).set_index("series")["quality"].to_dict()
    assert answer == {"ALL": "reduced", "N.E.": "persistence", "SOUTH 1": "reduced"}


@pytest.mark.parametrize(
    ("spoil", "params", "said"),
    [
        (lambda rows: rows, {"horizon": 45}, "30, 60"),
        (lambda rows: rows, {"issue_time": "2024-04-25 12:00"}, "ISO time with an offset"),
        (lambda rows: rows, {"issue_time": "noon"}, "ISO time with an offset"),
        (lambda rows: rows, {"issue_time": "2024-06-01T00:00Z"}, "newest observation"),
        (lambda rows: rows.iloc[-48:], {}, "reach back"),
        (lambda rows: rows.iloc[:0], {}, "no rows"),
        (lambda rows: rows.drop(columns="N.E."), {}, "lack the columns N.E."),
        (lambda rows: rows.rename(columns={"N.E.": "NE"}), {}, "lack the columns N.E."),
        (lambda rows: rows.assign(extra=1.0), {}, "unknown"),
        (lambda rows: rows.assign(**{"N.E.": "many"}), {}, "not every value is a number"),
        (lambda rows: rows.assign(**{"N.E.": np.inf}), {}, "infinite"),
        (lambda rows: rows.assign(valid_at=rows["valid_at"].str[:-1]), {}, "no offset from UTC"),
        (lambda rows: rows.assign(valid_at=rows["valid_at"].str[:10]), {}, "no offset from UTC"),
        (lambda rows: rows.assign(valid_at=range(len(rows))), {}, "no offset from UTC"),
        (lambda rows: rows.assign(**{"N.E.": rows["N.E."].astype(str)}), {}, "N.E.: not every value is a number"),
        (lambda rows: rows.assign(**{"N.E.": True}), {}, "N.E.: not every value is a number"),
        (
            lambda rows: rows.assign(**{"N.E.": pd.to_datetime(rows["valid_at"])}),
            {},
            "N.E.: not every value is a number",
        ),
        (lambda rows: pd.concat([rows, rows[["N.E."]]], axis=1), {}, "the column N.E. twice"),
        (lambda rows: pd.concat([rows, rows.iloc[-1:]]), {}, "occurs twice"),
    ],
)
def test_bad_input_is_the_callers_error(
    model: NowcastModel, rows: pd.DataFrame, spoil, params: dict, said: str
) -> None:
    with pytest.raises(MlflowException, match=said) as caught:
        ask(model, spoil(rows), **params)
    assert caught.value.get_http_status_code() == 400


def test_a_damaged_model_does_not_load(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "bundle")
    (tmp_path / "bundle" / "golden.json").write_text("{}")
    with pytest.raises(ArtifactDigestError):
        NowcastModel().load_context(PythonModelContext({"bundle": str(tmp_path / "bundle")}, {}))


def test_a_forged_model_does_not_load(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    bundle.save(folder)
    forge(folder)
    with pytest.raises(ArtifactDigestError, match="not the registered"):
        NowcastModel().load_context(PythonModelContext({"bundle": str(folder)}, {}))
    # A forgery whose books agree has another digest than the one that MLflow's model was packed with.
    change_head(folder, digest=digest_of(head_of(folder)))
    with pytest.raises(ArtifactDigestError, match="not the registered"):
        NowcastModel().load_context(PythonModelContext({"bundle": str(folder)}, {"digest": bundle.digest}))
