"""Backup and restore: what comes back gives the same answers, and what is damaged or in the way is refused."""

import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client
from power_nowcast.contracts import Table
from power_nowcast.contracts.times import minute
from power_nowcast.errors import ConfigurationError, StoreError
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.features.panel import window
from power_nowcast.jobs.backup import backup, restore
from power_nowcast.live.calibration import FollowedCalibration
from power_nowcast.live.nowcaster import Nowcaster, calibration_in_force
from power_nowcast.serve.start import production
from power_nowcast.settings import Settings, settings
from power_nowcast.store import Store
from power_nowcast.store.keys import Scope, keys, make
from tests.serve.conftest import NEWEST, NOW, fill
from tests.toy import toy_bundle, toy_region, toy_rows

REGION = toy_region("kept", "kept-nowcast")


def setting(folder: Path) -> Settings:
    return Settings(
        data=str(folder / "data"),
        artifacts=folder / "artifacts",
        tracking_uri=f"sqlite:///{folder}/mlflow.db",
    )


@dataclass
class Facts:
    """All that must be the same after a restore."""

    values: np.ndarray
    digests: list[str]
    calibration: str | None
    keys: list[object]
    versions: list[tuple[object, ...]]

    @classmethod
    def of(cls, folder: Path) -> "Facts":
        """As a service that starts in this folder finds it: the model comes from the registry."""
        store = Store(folder / "data")
        slot = production(REGION, settings())
        bundle = slot.load().bundle
        assert slot.trouble is None
        nowcaster = Nowcaster(bundle, calibration_in_force(store, bundle, NEWEST))
        return cls(
            nowcaster.nowcast(window(store, REGION, NEWEST), minute(NEWEST)).values,
            [store.manifest(table, REGION.name).sha256 for table in Table],
            store.read_calibration(REGION.name, bundle.digest),
            list(keys(store)),
            [(one.version, one.digest, one.aliases, one.metrics) for one in mlflow_client.versions(REGION)],
        )

    def check_equals(self, other: "Facts") -> None:
        np.testing.assert_array_equal(self.values, other.values)
        assert (self.digests, self.calibration, self.keys, self.versions) == (
            other.digests,
            other.calibration,
            other.keys,
            other.versions,
        )


@pytest.fixture(scope="module")
def enter(work_in: Callable[..., Path]) -> Callable[[Path], Settings]:
    def go(folder: Path) -> Settings:
        folder.mkdir(exist_ok=True)
        work_in(folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db")
        return settings()

    return go


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, enter: Callable[[Path], Settings]) -> tuple[Path, Facts]:
    """A folder with tables, a calibration that was followed, a key, and a version in production.

    It needs a database of its own, which MLflow takes seconds to make: its addresses have to lead into this folder.
    """
    folder = tmp_path_factory.mktemp("ori gin")
    enter(folder)
    store, bundle = Store(folder / "data"), toy_bundle(REGION)
    fill(store, REGION, toy_rows())
    followed = FollowedCalibration(store, bundle, every=1)
    followed.step(window(store, REGION, NEWEST), minute(NEWEST), now=NOW)
    make(store, "desk", Scope.ADMIN, now=NOW)
    store.documents.write("kept/note", {"a": 1})
    bundle.save(folder / "artifacts/kept/bundle")
    with mlflow_client.run(REGION, "train") as run:
        version = mlflow_client.register(
            bundle, folder / "artifacts/kept/bundle", run_id=run.id, metrics={"MAE 30": 2.5}, tags={}
        )
    first = Decision(True, ("It is the first.",), {})
    mlflow_client.promote(REGION, version.version, decision=first, person="me", reason="test")
    facts = Facts.of(folder)
    assert facts.calibration is not None
    assert np.isfinite(facts.values).all()
    return folder, facts


@pytest.mark.parametrize("name", ["kept", "kept.tar"])
def test_a_restored_backup_gives_the_same_answers(
    origin: tuple[Path, Facts], enter: Callable[[Path], Settings], tmp_path: Path, name: str
) -> None:
    folder, facts = origin
    enter(folder)
    made = CliRunner().invoke(cli.app, ["backup", str(tmp_path / name)])
    assert made.exit_code == 0, made.output
    assert "registry" not in made.stdout, "it is in the backup"
    assert (tmp_path / name).is_dir() == (name == "kept")
    other, away = tmp_path / "oth er", folder.with_name("away")
    enter(other)
    folder.rename(away)  # nothing may lead there any more
    try:
        back = CliRunner().invoke(cli.app, ["restore", str(tmp_path / name)])
        assert back.exit_code == 0, back.output
        # The last good version on disk would answer without the registry.
        shutil.rmtree(other / "artifacts/kept/versions")
        Facts.of(other).check_equals(facts)
        assert Store(other / "data").documents.read("kept/note") == {"a": 1}
        assert make(Store(other / "data"), "new", Scope.READ, now=NOW), "it can be written"
        assert not [file for file in other.iterdir() if file.name.startswith(".")]
        again = CliRunner().invoke(cli.app, ["restore", str(tmp_path / name)])
        assert (again.exit_code, "restore replaces nothing" in " ".join(again.output.split())) == (2, True)
    finally:
        away.rename(folder)


def test_a_backup_while_another_writes_is_one_state(origin: tuple[Path, Facts], tmp_path: Path) -> None:
    """Rows that come after the tables were listed are in none of them."""
    folder, _ = origin
    work = tmp_path / "work"
    shutil.copytree(folder, work)
    store, chosen = Store(work / "data"), setting(work)
    before = store.manifest(Table.POWER, REGION.name)
    written: list[str] = []

    def write(text: str) -> None:
        if text.endswith("files"):  # between the list and the copies
            late = store.versions(Table.POWER, REGION.name).tail(3).drop("first_seen_at")
            rows = late.with_columns(value=late["value"] + 1.0)
            store.append(Table.POWER, rows, now=datetime.now(UTC))
            written.append(text)

    backup(tmp_path / "copy", chosen, store, write)
    assert written
    assert store.manifest(Table.POWER, REGION.name).sha256 != before.sha256
    restore(tmp_path / "copy", setting(tmp_path / "back"))
    assert Store(tmp_path / "back/data").manifest(Table.POWER, REGION.name).sha256 == before.sha256


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A backup of tables only."""
    store = Store(tmp_path / "data")
    make(store, "desk", Scope.READ, now=NOW)
    told = backup(tmp_path / "small", setting(tmp_path), store)
    assert not told.has_registry
    assert not (tmp_path / "small/registry").exists()
    return tmp_path / "small"


def test_what_is_damaged_is_refused_and_leaves_nothing(small: Path, tmp_path: Path) -> None:
    victim = next((small / "data").rglob("*.parquet"))
    whole = victim.read_bytes()
    listed = json.loads((small / "backup.json").read_text())

    def check(message: str) -> None:
        chosen = setting(tmp_path / "target")
        with pytest.raises(StoreError, match=message):
            restore(small, chosen)
        assert not list((tmp_path / "target").glob("*"))
        assert not list((tmp_path / "target").glob(".*"))

    victim.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    check("has another content")
    victim.unlink()
    check("No such file")
    victim.write_bytes(whole)
    for odd, message in (
        ({"../../escaped": [0, ""]}, "belongs nowhere"),
        ({"data/../../escaped": [0, ""]}, "belongs nowhere"),
        ({"/etc/escaped": [0, ""]}, "belongs nowhere"),
    ):
        (small / "backup.json").write_text(json.dumps(listed | {"files": listed["files"] | odd}))
        check(message)
    (small / "backup.json").write_text(json.dumps(listed | {"format_version": 2}))
    check("its format is not 1")
    (small / "backup.json").write_text("{")
    check("cannot be read")
    (small / "backup.json").unlink()
    check("no whole backup")


def test_a_cut_archive_is_refused(small: Path, tmp_path: Path) -> None:
    backup(tmp_path / "small.tar", setting(tmp_path), Store(tmp_path / "data"))
    whole = (tmp_path / "small.tar").read_bytes()
    restore(tmp_path / "small.tar", setting(tmp_path / "good"))
    assert [one.name for one in keys(Store(tmp_path / "good/data"))] == ["desk"]
    with tarfile.open(tmp_path / "small.tar") as archive:
        assert archive.getnames()[-1] == "backup.json"
        listed = archive.getmember("backup.json").offset_data
    for end in (100, listed // 2, listed, listed + 100):
        (tmp_path / "cut.tar").write_bytes(whole[:end])
        with pytest.raises(StoreError, match="no whole backup"):
            restore(tmp_path / "cut.tar", setting(tmp_path / "cut"))


def test_nothing_is_replaced_and_no_backup_holds_itself(small: Path, tmp_path: Path) -> None:
    store, chosen = Store(tmp_path / "data"), setting(tmp_path)
    for place, message in ((small, "exists already"), (tmp_path / "data/copy", "lies in")):
        with pytest.raises(ConfigurationError, match=message):
            backup(place, chosen, store)
    with pytest.raises(ConfigurationError, match="replaces nothing"):
        restore(small, chosen)
    with pytest.raises(ConfigurationError, match="There is no"):
        restore(tmp_path / "nothing", setting(tmp_path / "x"))
    (tmp_path / "empty/data").mkdir(parents=True)
    (tmp_path / "empty/.data.restoring").mkdir()
    (tmp_path / "empty/.data.restoring/left").write_text("of a killed restore")
    restore(small, setting(tmp_path / "empty"))
    assert not (tmp_path / "empty/data/left").exists()
    assert [one.name for one in keys(Store(tmp_path / "empty/data"))] == ["desk"]


def test_tables_in_a_bucket_are_left_to_the_bucket(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="takes tables of a folder"):
        backup(tmp_path / "copy", setting(tmp_path), Store("s3://bucket/tables"))
    assert not (tmp_path / "copy").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_that_a_registry_elsewhere_is_not_included(
    tmp_path: Path, work_in: Callable[..., Path]
) -> None:
    work_in(tmp_path, MLFLOW_TRACKING_URI="http://user:hidden@127.0.0.1:9")
    make(Store(tmp_path / "data"), "desk", Scope.READ, now=NOW)
    made = CliRunner().invoke(cli.app, ["backup", str(tmp_path / "copy")])
    assert made.exit_code == 0, made.output
    assert "is not among them" in " ".join(made.output.split())
    assert "hidden" not in made.output
