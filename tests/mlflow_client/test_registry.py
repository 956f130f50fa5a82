import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import digest_of, verify
from power_nowcast.errors import ArtifactDigestError, PromotionRefusedError, RegistryError
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.mlflow_client import PRODUCTION, Version, registry
from power_nowcast.regions import Region
from tests.forging import change_head, forge, head_of
from tests.toy import toy_panel, toy_region, toy_rows

YES = Decision(True, ("It is better.",), {"pinball": 0.5, "pinball incumbent": 0.6})


@pytest.fixture
def fresh(registry_uri: str, request: pytest.FixtureRequest) -> Region:
    """A region of its own for each test, in the shared registry."""
    name = request.node.name.removeprefix("test_")[:60]
    return toy_region(name, f"power {name}")


@pytest.fixture
def registered(fresh: Region, bundles: tuple[Bundle, Bundle], tmp_path: Path) -> list[Version]:
    return [put(of_region(bundle, fresh), tmp_path / f"bundle {i}") for i, bundle in enumerate(bundles)]


def of_region(bundle: Bundle, region: Region) -> Bundle:
    return replace(bundle, region=region)


def put(bundle: Bundle, folder: Path, progress: Callable[[str], None] = lambda _: None) -> Version:
    bundle.save(folder)
    with mlflow_client.run(bundle.region, "train") as run:
        return mlflow_client.register(
            bundle, folder, run_id=run.id, metrics={"MAE 30": 2.5}, tags={"dataset": "toy"}, progress=progress
        )


def test_a_version_says_what_it_is(fresh: Region, registered: list[Version], bundles: tuple[Bundle, Bundle]) -> None:
    bundle = of_region(bundles[0], fresh)
    first = mlflow_client.versions(fresh)[-1]
    assert first == registered[0]
    assert (first.name, first.version, first.aliases, first.kind) == (fresh.model, "1", (), "persistence_ramp")
    assert (first.digest, first.metrics) == (bundle.digest, {"MAE 30": 2.5})
    assert first.tags["data_digest"] == bundle.info.data_sha256
    assert first.tags["git_sha"] == bundle.info.git_sha
    assert first.tags["dataset_window"] == f"{bundle.info.train_start}/{bundle.info.train_end}"
    assert (first.tags["horizons"], first.tags["dataset"], first.tags["region"]) == ("30,60", "toy", fresh.name)
    assert mlflow_client.connect().get_run(first.run_id).info.status == "FINISHED"
    assert [one.version for one in mlflow_client.versions(fresh)] == ["2", "1"]


def test_figures_are_one_tag_and_those_of_before_are_read(fresh: Region, registered: list[Version]) -> None:
    client = mlflow_client.connect()
    tags = client.get_model_version(fresh.model, "1").tags
    assert json.loads(tags["metrics"]) == {"MAE 30": 2.5}
    assert not [name for name in tags if name.startswith("metric.")]
    client.delete_model_version_tag(fresh.model, "2", "metrics")
    client.set_model_version_tag(fresh.model, "2", "metric.valid_loss", repr(1 / 3))
    old = mlflow_client.versions(fresh)[0]
    assert (old.version, old.metrics) == ("2", {"valid_loss": 1 / 3})
    assert "metric.valid_loss" not in old.tags


def test_nothing_is_pickled_and_the_code_is_there(fresh: Region, registered: list[Version], tmp_path: Path) -> None:
    folder = Path(mlflow.artifacts.download_artifacts(registered[0].uri, dst_path=str(tmp_path / "model")))
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".joblib", ".pt", ".bin"))]
    assert "pyfunc.py" in files
    wheels = [name for name in files if name.endswith(".whl")]
    assert len(wheels) == 1
    needs = (folder / "requirements.txt").read_text().split()
    assert wheels[0] in needs
    assert all("==" in need for need in needs if need not in wheels)
    assert not any(need.startswith(("deltalake", "matplotlib", "torch")) for need in needs)
    assert (folder / "input_example.json").stat().st_size < 20_000


def test_the_input_example_is_answered(fresh: Region, registered: list[Version]) -> None:
    model = mlflow.pyfunc.load_model(registered[0].uri)
    example = model.metadata.load_input_example()
    params = model.metadata.load_input_example_params(registered[0].uri)
    answer = model.predict(example, params=params)
    assert np.isfinite(answer["yhat"]).all()
    assert list(answer.columns) == [column.name for column in model.metadata.signature.outputs]


def test_the_same_bundle_is_registered_once(
    fresh: Region, registered: list[Version], bundles: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    again = put(of_region(bundles[0], fresh), tmp_path / "again", progress=pytest.fail)
    assert again == registered[0]
    assert len(mlflow_client.versions(fresh)) == 2


@pytest.mark.parametrize("when", ["packing", "registering"])
def test_registration_cut_short_leaves_no_version(
    registry_uri: str, bundles: tuple[Bundle, Bundle], tmp_path: Path, when: str
) -> None:
    region = toy_region(f"cut-{when}", f"cut-{when}")
    bundle = of_region(bundles[0], region)

    def interrupt(step: str) -> None:
        if step.startswith(when):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(bundle, tmp_path / "bundle", interrupt)
    assert mlflow_client.versions(region) == []
    assert mlflow_client.by_alias(region, PRODUCTION) is None
    assert put(bundle, tmp_path / "bundle").version == "1"


def test_a_folder_that_is_not_the_bundle_is_refused(
    fresh: Region, bundles: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    bundle = of_region(bundles[0], fresh)
    of_region(bundles[1], fresh).save(tmp_path / "other")
    with mlflow_client.run(fresh, "train") as run, pytest.raises(ArtifactDigestError):
        mlflow_client.register(bundle, tmp_path / "other", run_id=run.id, metrics={}, tags={})


def test_promotion_and_rollback_with_their_reasons(fresh: Region, registered: list[Version]) -> None:
    one, two = registered
    mlflow_client.set_alias(fresh, two.version, "candidate")
    assert mlflow_client.promote(fresh, one.version, decision=YES, person="Ann", reason="first").aliases == (
        PRODUCTION,
    )
    now = mlflow_client.promote(fresh, "candidate", decision=YES, person="Bob", reason="")
    assert (now.version, now.aliases) == ("2", ("candidate", PRODUCTION))
    step = registry.history(fresh)[-1]
    assert (step.version, step.previous, step.person, step.reason) == ("2", "1", "Bob", "It is better.")
    assert step.figures == YES.figures
    assert json.loads(next(v for k, v in now.tags.items() if k.startswith("promotion.")))["figures"] == YES.figures

    assert mlflow_client.rollback(fresh, person="Cat", reason="spikes").version == "1"
    assert mlflow_client.by_alias(fresh, PRODUCTION).version == "1"
    assert [(step.action, step.version) for step in registry.history(fresh)] == [
        ("promote", "1"),
        ("promote", "2"),
        ("rollback", "1"),
    ]
    with pytest.raises(RegistryError, match="no earlier"):
        mlflow_client.rollback(fresh, person="Cat", reason="again")
    mlflow_client.promote(fresh, "2", decision=YES, person="Ann", reason="mended")
    assert mlflow_client.rollback(fresh, person="Cat", reason="no").version == "1"


def test_the_description_of_the_model_tells_the_promotions(fresh: Region, registered: list[Version]) -> None:
    client = mlflow_client.connect()
    mlflow_client.promote(fresh, "1", decision=YES, person="Ann", reason="first | of\nall")
    told = client.get_registered_model(fresh.model).description
    assert told.startswith(f"{fresh.title}\n\n{registry.HEADING}\n\n| when")
    client.update_registered_model(fresh.model, told.replace(fresh.title, "Ours. Ask Ann."))
    mlflow_client.promote(fresh, "2", decision=YES, person="Bob", reason="better")
    mlflow_client.rollback(fresh, person="Cat", reason="spikes")
    own, _, table = client.get_registered_model(fresh.model).description.partition(registry.HEADING)
    assert own.strip() == "Ours. Ask Ann."
    rows = [[cell.strip() for cell in line.split(" | ")[1:]] for line in table.strip().splitlines()[2:]]
    assert rows == [
        ["rollback", "1", "2", "Cat", "spikes |"],
        ["promote", "2", "1", "Bob", "better |"],
        ["promote", "1", "", "Ann", r"first \| of all |"],
    ]


def test_a_promotion_cut_short_changes_nothing(fresh: Region, registered: list[Version]) -> None:
    mlflow_client.promote(fresh, "1", decision=YES, person="Ann", reason="first")
    # What is there when the last call, the alias, is not made any more.
    entry = {"at": "2999", "action": "promote", "version": "2", "previous": "1", "person": "x", "reason": "cut"}
    client = mlflow_client.connect()
    client.set_registered_model_tag(fresh.model, "promotion.29990101T000000000000", json.dumps(entry))
    assert mlflow_client.by_alias(fresh, PRODUCTION).version == "1"
    assert [step.version for step in registry.history(fresh)] == ["1"]
    with pytest.raises(RegistryError, match="no earlier"):
        mlflow_client.rollback(fresh, person="x", reason="x")


def test_what_did_not_earn_it_is_refused(fresh: Region, registered: list[Version]) -> None:
    no = Decision(False, ("Worse than the incumbent.",), {})
    with pytest.raises(PromotionRefusedError, match="Worse than the incumbent"):
        mlflow_client.promote(fresh, "2", decision=no, person="Ann", reason="please")
    assert mlflow_client.by_alias(fresh, PRODUCTION) is None
    with pytest.raises(RegistryError, match="no version '7'"):
        mlflow_client.promote(fresh, "7", decision=YES, person="Ann", reason="please")


def test_production_moves_with_a_reason_only(fresh: Region, registered: list[Version]) -> None:
    with pytest.raises(RegistryError, match="not set by hand"):
        mlflow_client.set_alias(fresh, "1", PRODUCTION)
    with pytest.raises(RegistryError, match="candidate, staging, production"):
        mlflow_client.set_alias(fresh, "1", "champion")
    with pytest.raises(RegistryError):
        mlflow_client.set_alias(fresh, "9", "staging")


def test_stages_are_not_written(fresh: Region, registered: list[Version]) -> None:
    mlflow_client.promote(fresh, "1", decision=YES, person="Ann", reason="first")
    stages = {one.current_stage for one in mlflow_client.connect().search_model_versions(f"name = '{fresh.model}'")}
    assert stages == {"None"}


def test_two_regions_do_not_disturb_each_other(
    fresh: Region, registered: list[Version], bundles: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    other = toy_region(f"{fresh.name}-b", f"{fresh.model}-b")
    put(of_region(bundles[0], other), tmp_path / "other")
    mlflow_client.promote(fresh, "2", decision=YES, person="Ann", reason="first")
    assert mlflow_client.by_alias(other, PRODUCTION) is None
    mlflow_client.promote(other, "1", decision=YES, person="Ann", reason="first")
    assert mlflow_client.by_alias(fresh, PRODUCTION).version == "2"
    assert [one.version for one in mlflow_client.versions(other)] == ["1"]


def test_nothing_registered_yet(fresh: Region, tmp_path: Path) -> None:
    assert mlflow_client.versions(fresh) == []
    assert mlflow_client.by_alias(fresh, "candidate") is None
    assert registry.history(fresh) == []
    with pytest.raises(RegistryError, match="nowcast run"):
        mlflow_client.download(fresh, PRODUCTION, tmp_path)


def test_a_download_is_the_bundle_and_is_kept(fresh: Region, registered: list[Version], tmp_path: Path) -> None:
    folder, version = mlflow_client.download(fresh, "2", tmp_path / "a cache")
    assert version == registered[1]
    bundle = Bundle.load(folder)
    bundle.check()
    assert bundle.digest == version.digest
    marker = folder / "model.json"
    before = marker.stat().st_ino
    assert mlflow_client.download(fresh, "2", tmp_path / "a cache")[0] == folder
    assert marker.stat().st_ino == before
    assert [path.name for path in (tmp_path / "a cache").iterdir()] == [folder.name]


@pytest.mark.parametrize("damage", ["file", "missing", "head", "unreadable"])
def test_a_damaged_copy_is_fetched_again(
    registry_uri: str, bundles: tuple[Bundle, Bundle], tmp_path: Path, damage: str
) -> None:
    region = toy_region(f"damage-{damage}", f"damage-{damage}")
    put(of_region(bundles[0], region), tmp_path / "bundle")
    folder, _ = mlflow_client.download(region, "1", tmp_path / "cache")
    if damage == "file":
        (folder / "calibration.json").write_text("{}")
    elif damage == "missing":
        shutil.rmtree(folder / "model")
    elif damage == "head":
        (folder / "model.json").write_text(
            (folder / "model.json").read_text().replace(region.name, "x").replace("30", "31")
        )
    else:
        (folder / "model.json").write_text("{")
    again, version = mlflow_client.download(region, "1", tmp_path / "cache")
    verify(again, version.digest)
    assert again == folder


def test_damage_in_the_registry_itself_is_an_error(
    fresh: Region, registered: list[Version], registry_uri: str, tmp_path: Path
) -> None:
    stored = Path(registry_uri.removeprefix("sqlite:///")).parent / "mlartifacts" / fresh.name / "models"
    for path in stored.rglob("errors.json"):
        path.write_text("[[[1]]]")
    with pytest.raises(ArtifactDigestError, match="register the model again"):
        mlflow_client.download(fresh, "1", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_forged_bundle_in_the_registry_is_never_the_registered_version(
    fresh: Region, registered: list[Version], registry_uri: str, tmp_path: Path
) -> None:
    stored = Path(registry_uri.removeprefix("sqlite:///")).parent / "mlartifacts" / fresh.name / "models"
    folders = [path.parent for path in stored.rglob("bundle/model.json")]
    assert len(folders) == 2
    for folder in folders:
        forge(folder)
    for keep_the_books in (False, True):
        for folder in folders if keep_the_books else ():
            change_head(folder, digest=digest_of(head_of(folder)))
        with pytest.raises(ArtifactDigestError, match="not the registered"):
            mlflow_client.download(fresh, "1", tmp_path / "cache")
        with pytest.raises(ArtifactDigestError, match="not the registered"):
            mlflow.pyfunc.load_model(registered[0].uri)


def test_a_forged_copy_is_fetched_again(fresh: Region, registered: list[Version], tmp_path: Path) -> None:
    folder, version = mlflow_client.download(fresh, "1", tmp_path / "cache")
    forge(folder)
    change_head(folder, digest=digest_of(head_of(folder)))
    Bundle.load(folder).check()
    again, _ = mlflow_client.download(fresh, "1", tmp_path / "cache")
    assert Bundle.load(again, version.digest).digest == registered[0].digest


def test_mlflow_takes_whole_numbers_and_times(fresh: Region, registered: list[Version]) -> None:
    """MLflow looks at every column before the model does."""
    model = mlflow.pyfunc.load_model(registered[0].uri)
    rows = toy_rows().to_pandas()
    expected = model.predict(rows)
    assert (expected["flags"] == "").all()
    stamps = pd.to_datetime(rows["valid_at"])
    for form in (
        rows.assign(valid_at=stamps),
        rows.assign(valid_at=stamps.dt.tz_localize(None)),
        rows.assign(valid_at=stamps.dt.tz_localize(None).astype("datetime64[s]")),
        rows.assign(valid_at=stamps.astype(object)),
        rows.set_index(stamps),
        rows.assign(ALL=1),
    ):
        pd.testing.assert_frame_equal(model.predict(form), expected)
    whole = rows.round({"N.E.": 0, "SOUTH 1": 0, "KTOY.temperature_c": 0})
    expected = model.predict(whole)
    for kind in ("int64", "int32", "Int64", object):
        other = whole.astype(dict.fromkeys(("N.E.", "SOUTH 1", "KTOY.temperature_c"), kind))
        pd.testing.assert_frame_equal(model.predict(other), expected)
    with pytest.raises(MlflowException, match=r"N\.E\.: not every value is a number"):
        model.predict(rows.assign(**{"N.E.": "many"}))
    with pytest.raises(MlflowException, match=r"N\.E\."):
        model.predict(rows.drop(columns="N.E."))


def test_the_registered_model_answers_like_the_bundle(
    fresh: Region, registered: list[Version], bundles: tuple[Bundle, Bundle]
) -> None:
    panel = toy_panel(fresh)
    expected = Nowcaster(of_region(bundles[0], fresh)).nowcast(panel, panel.end)
    answer = mlflow.pyfunc.load_model(registered[0].uri).predict(toy_rows().to_pandas())
    found = answer[[f"q{round(100 * q):02d}" for q in expected.quantiles]].to_numpy().reshape(expected.values.shape)
    np.testing.assert_allclose(found, expected.values, rtol=0, atol=1e-6)
    assert set(answer["model_digest"]) == {registered[0].digest}
