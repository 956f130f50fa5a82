import json
import subprocess
from pathlib import Path

import mlflow
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from power_nowcast import mlflow_client
from power_nowcast.contracts import Manifest
from power_nowcast.errors import RegistryError
from power_nowcast.mlflow_client.runs import sanitised
from power_nowcast.regions import Region


def test_a_run_says_who_what_and_from_which_code(registry_uri: str, region: Region, tmp_path: Path) -> None:
    with mlflow_client.run(region, "train", tags={"dataset": "toy 2024-03"}) as run:
        run.params({"model": "lightgbm", "boosting": {"num_leaves": 31}})
        run.metrics({"MAE 30 min (ALL)": 12.5, "nothing": None, "nan": float("nan")})
        run.curves({"N.E./30/valid": [1 / (i + 1) for i in range(1000)], "short": [3.0, 2.0], "empty": []})
        run.json("features/manifest.json", {"columns": ["a"]})
        (tmp_path / "note.txt").write_text("note")
        run.file(tmp_path / "note.txt", "notes")
        run.folder(tmp_path, "folder")
        run.tags({"colour": "blue"})
        run.manifests([Manifest("power", 3, 100, "2024-03-01", "2024-04-29", "f" * 64)])
    client = mlflow_client.connect()
    kept = client.get_run(run.id)
    assert kept.info.status == "FINISHED"
    assert client.get_experiment(kept.info.experiment_id).name == "power-nowcast/toy"
    assert kept.data.params == {"model": "lightgbm", "boosting.num_leaves": "31"}
    assert kept.data.metrics["MAE 30 min _ALL_"] == 12.5
    assert set(kept.data.metrics) == {"MAE 30 min _ALL_", "N.E./30/valid", "short"}
    tags = {key: value for key, value in kept.data.tags.items() if not key.startswith("mlflow.")}
    assert set(tags) == {
        "owner", "dataset", "horizon", "region", "git_sha", "command", "package_version", "colour"
    }  # fmt: skip
    assert (tags["dataset"], tags["horizon"], tags["region"], tags["command"]) == (
        "toy 2024-03",
        "30,60",
        "toy",
        "train",
    )
    curve = client.get_metric_history(run.id, "N.E./30/valid")
    assert len(curve) == 100
    assert (curve[0].step, curve[-1].step) == (0, 999)
    assert all(point.value == 1 / (point.step + 1) for point in curve)
    manifest = kept.inputs.dataset_inputs[0].dataset
    assert (manifest.name, manifest.digest) == ("power", "f" * 32)
    held = Path(mlflow.artifacts.download_artifacts(run_id=run.id, dst_path=str(tmp_path / "back")))
    assert json.loads((held / "manifests.json").read_text())[0]["sha256"] == "f" * 64
    assert (held / "notes" / "note.txt").read_text() == (held / "folder" / "note.txt").read_text() == "note"
    assert json.loads((held / "features" / "manifest.json").read_text()) == {"columns": ["a"]}


def test_a_table_is_a_csv_that_people_can_read(registry_uri: str, region: Region, tmp_path: Path) -> None:
    table = pl.DataFrame({"series": ["N.E.", "ALL"], "MAE": [1234.56789, None], "nothing": [None, None]})
    with mlflow_client.run(region, "train") as run:
        run.table("test/by_series.csv", table)
        run.metrics({"MAE_60min": 1.5}, part="test")
    client = mlflow_client.connect()
    path = client.download_artifacts(run.id, "test/by_series.csv", str(tmp_path))
    assert Path(path).read_text() == "series,MAE\nN.E.,1234.57\nALL,\n"
    assert client.get_run(run.id).data.metrics == {"test/MAE_60min": 1.5}


def test_artifacts_lie_beside_the_database(registry_uri: str, region: Region, tmp_path: Path) -> None:
    with mlflow_client.run(region, "train") as run:
        run.json("a.json", {})
    folder = Path(registry_uri.removeprefix("sqlite:///")).parent
    assert list(folder.rglob(f"{run.id}/artifacts/a.json"))
    assert not list(tmp_path.iterdir())


def test_a_figure_is_an_image(registry_uri: str, region: Region, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    with mlflow_client.run(region, "evaluate") as run:
        run.figure(Figure(), "plots/empty.png")
    client = mlflow_client.connect()
    assert [file.path for file in client.list_artifacts(run.id, "plots")] == ["plots/empty.png"]


@pytest.mark.parametrize(("raised", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_cut_short_says_so(registry_uri: str, region: Region, raised: type, status: str) -> None:
    with pytest.raises(raised), mlflow_client.run(region, "train") as run:
        raise raised
    assert mlflow_client.connect().get_run(run.id).info.status == status


def test_a_run_is_opened_again(registry_uri: str, region: Region) -> None:
    with mlflow_client.run(region, "train") as first:
        first.metrics({"a": 1.0})
    with mlflow_client.run(region, "evaluate", run_id=first.id, tags={"more": "yes"}) as again:
        again.metrics({"b": 2.0})
    kept = mlflow_client.connect().get_run(first.id)
    assert (kept.info.status, kept.data.metrics) == ("FINISHED", {"a": 1.0, "b": 2.0})
    assert (kept.data.tags["command"], kept.data.tags["more"]) == ("train", "yes")


def test_an_unknown_run_is_refused(registry_uri: str, region: Region) -> None:
    with pytest.raises(RegistryError, match="not found"), mlflow_client.run(region, "train", run_id="0" * 32):
        pytest.fail("the body must not run")


def test_a_deleted_experiment_comes_back(registry_uri: str) -> None:
    from tests.toy import toy_region

    other = toy_region("gone")
    with mlflow_client.run(other, "train") as run:
        pass
    client = mlflow_client.connect()
    client.delete_experiment(client.get_run(run.id).info.experiment_id)
    with mlflow_client.run(other, "train") as run:
        pass
    assert client.get_run(run.id).info.status == "FINISHED"


def test_the_commit_is_that_of_the_code() -> None:
    here = Path(__file__).parent
    found = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    sha = mlflow_client.git_sha()
    assert sha.removesuffix("-dirty") == (found.stdout.strip() if found.returncode == 0 else "unknown")


@given(st.text(max_size=400))
@example("//0")
@example("/../x/./y")
@example("a" * 248 + "/b")
def test_names_fit_mlflow(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name

    found = sanitised(f"m{name}")
    assert sanitised(found) == found
    _validate_metric_name(found)
