"""The doctor, with a real server to reach, and a clock, a disk and settings that are not well."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast import regions
from power_nowcast.collect import Finding, State
from power_nowcast.errors import SourceUnavailableError
from power_nowcast.ingest.web import Http
from power_nowcast.jobs.doctor import FEW_BYTES, MANY_BYTES, NATIVE, Outside, ask, examine, load
from power_nowcast.jobs.doctor import Reply as DoctorReply
from power_nowcast.regions import Region
from power_nowcast.settings import Settings
from power_nowcast.settings import settings as process_settings
from tests.faults import Reply, Server

DAY = b"Time,Day ahead forecast,Hour ahead forecast,Current demand\n00:00,25000,25000,25100\n00:05,25000,25000,25050\n"


def at(server: str, name: str = "caiso") -> Region:
    region = regions.load(name).model_copy(update={"forecast": None, "weather": None})
    spec = region.power.model_copy(update={"options": {**region.power.options, "url": server}})
    return region.model_copy(update={"power": spec})


def settings_in(folder: Path, **changed: object) -> Settings:
    places = {"data": str(folder / "data"), "reports": folder / "reports", "artifacts": folder / "artifacts"}
    return Settings(**{**places, "tracking_uri": f"sqlite:///{folder}/mlflow.db", **changed})  # type: ignore[arg-type]


def found(region: Region, settings: Settings, *, live: bool = False, **outside: object) -> dict[str, Finding]:
    # torch takes seconds, and a GPU is not everywhere
    outside = {"load": lambda _: None, "gpus": lambda: FileNotFoundError("nvidia-smi")} | outside
    findings = examine([region], settings, live=live, outside=Outside(**outside))  # type: ignore[arg-type]
    assert all(one.remedy for one in findings if one.state is not State.OK), "what is wrong has a remedy"
    return {one.name: one for one in findings}


def test_a_healthy_machine(tmp_path: Path) -> None:
    with Server() as server:
        told = found(at(server.url), settings_in(tmp_path), free=lambda _: 2 * MANY_BYTES, load=load)
        assert [path for path, _, _ in server.asked] == ["/"], "one small question, no data"
    states = {name: one.state for name, one in told.items()}
    assert states.pop("data caiso power") is State.WARN
    assert set(states.values()) == {State.OK}
    names = "python, packages, libraries, write data, disk, write reports, write artifacts, gpu, "
    names += "source caiso power (caiso), clock, mlflow"
    assert ", ".join(states) == names
    assert told["clock"].detail.endswith(f"s against {server.url}/")
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"


def test_live_makes_one_real_request(tmp_path: Path) -> None:
    day = datetime.now(UTC) - timedelta(hours=8)
    with Server() as server:
        for path in (f"/history/{day - timedelta(days=n):%Y%m%d}/demand.csv" for n in range(3)):
            server.serve(path, Reply(DAY))
        told = found(at(server.url), settings_in(tmp_path), live=True)["source caiso power (caiso)"]
        assert len(server.asked) == 1
    assert told.state is State.OK
    assert "2 values" in told.detail


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"no", 403), "403"),
        (Reply(b"<html><title>Maintenance</title></html>", 200, "text/html"), "Maintenance"),
        (Reply(b"a,b\n1,2\n"), "lacks the columns"),
    ],
)
def test_live_tells_the_exact_reason(tmp_path: Path, reply: Reply, reason: str) -> None:
    day = datetime.now(UTC)
    with Server() as server:
        for number in range(4):
            server.serve(f"/history/{day - timedelta(days=number):%Y%m%d}/demand.csv", reply)
        told = found(at(server.url), settings_in(tmp_path), live=True, http=lambda: Http(attempts=1))
    one = told["source caiso power (caiso)"]
    assert one.state is State.FAIL
    assert reason in one.detail


def test_a_server_that_is_not_there_or_not_well(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
        told = found(at(nowhere), settings_in(tmp_path))
    assert told["source caiso power (caiso)"].state is State.FAIL
    assert "refused" in told["source caiso power (caiso)"].detail
    assert told["clock"].state is State.OK
    with Server() as server:
        server.serve("/", Reply(b"", 503))
        told = found(at(server.url), settings_in(tmp_path))
    assert "503" in told["source caiso power (caiso)"].detail


def test_a_library_s_server_is_reached_without_the_library_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ENTSOE_API_KEY", raising=False)
    process_settings.cache_clear()
    asked: list[str] = []

    def answer(server: str) -> DoctorReply:
        asked.append(server)
        return DoctorReply(200)

    for library in ("entsoe", "gridstatus", "meteostat"):
        pytest.importorskip(library, reason="the extra grids is not installed")
    region = regions.load("ercot-wind")
    told = found(region, settings_in(tmp_path), ask=answer)
    assert told["source ercot-wind power (gridstatus)"].state is State.OK
    assert asked == ["https://www.ercot.com/"]
    far = found(regions.load("entsoe-fi-wind"), settings_in(tmp_path), ask=answer)
    assert "ENTSOE_API_KEY" in far["source entsoe-fi-wind power (entsoe)"].detail
    assert far["source entsoe-fi-wind weather (meteostat)"].state is State.OK


@pytest.mark.parametrize(("skew", "state"), [(5, State.OK), (60, State.WARN), (-400, State.FAIL)])
def test_the_clock_is_compared_with_a_server(tmp_path: Path, skew: int, state: State) -> None:
    with Server() as server:
        told = found(at(server.url), settings_in(tmp_path), clock=lambda: datetime.now(UTC) + timedelta(seconds=skew))
    assert told["clock"].state is state


@pytest.mark.parametrize(
    ("free", "state"), [(FEW_BYTES - 1, State.FAIL), (FEW_BYTES, State.WARN), (MANY_BYTES, State.OK)]
)
def test_free_space(tmp_path: Path, free: int, state: State) -> None:
    told = found(regions.load("victoria"), settings_in(tmp_path), free=lambda _: free)
    assert told["disk"].state is state


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = settings_in(tmp_path, data=str(tmp_path / "file"), tracking_uri=f"sqlite:///{tmp_path}/file/mlflow.db")
    told = found(regions.load("victoria"), settings)
    assert told["write data"].state is State.FAIL
    assert "NOWCAST_DATA" in told["write data"].remedy
    assert told["mlflow"].state is State.FAIL


def test_a_wrong_source_is_told_like_an_unreachable_one(tmp_path: Path) -> None:
    region = regions.load("victoria")
    wrong = region.model_copy(update={"power": region.power.model_copy(update={"source": "magic"})})
    told = found(wrong, settings_in(tmp_path))["source victoria power (magic)"]
    assert told.state is State.FAIL
    assert "magic" in told.detail
    missing = region.power.model_copy(update={"source": "files", "options": {"files": str(tmp_path / "none*.csv")}})
    told = found(region.model_copy(update={"power": missing}), settings_in(tmp_path))["source victoria power (files)"]
    assert "none*.csv" in told.detail


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError("libgomp.so.1: cannot open shared object file: No such file or directory"), "libgomp1 on Debian"),
        (OSError("/lib/x86_64-linux-gnu/libgomp.so.1: file too short"), "libgomp on Fedora"),
        (
            OSError("dlopen(/x/lib_lightgbm.dylib, 6): Library not loaded: @rpath/libomp.dylib\n  Reason: none"),
            "libomp on macOS",
        ),
        (FileNotFoundError("Could not find module 'vcomp140.dll'"), "Visual C++"),
        (ImportError("libz.so.1: cannot open shared object file"), "the package of your system that holds libz.so.1"),
        (ModuleNotFoundError("No module named 'lightgbm'"), "make setup"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_named_with_what_to_install(
    tmp_path: Path, error: Exception, remedy: str
) -> None:
    def load(name: str) -> None:
        if name == "lightgbm":
            raise error

    told = found(regions.load("victoria"), settings_in(tmp_path), load=load)["libraries"]
    assert told.state is State.FAIL
    assert told.detail == f"lightgbm cannot be loaded: {str(error).splitlines()[0]}"
    assert remedy in told.remedy


def test_torch_may_be_left_out_and_may_not_be_broken(tmp_path: Path) -> None:
    asked: list[str] = []

    def load(name: str) -> None:
        asked.append(name)
        if name == "torch":
            raise ModuleNotFoundError(name)

    told = found(regions.load("victoria"), settings_in(tmp_path), load=load)["libraries"]
    assert (told.state, told.detail) == (State.OK, "7 packages with compiled code can be loaded")
    assert asked == list(NATIVE)

    def broken(name: str) -> None:
        if name == "torch":
            raise OSError("libcudart.so.12: cannot open shared object file")

    assert found(regions.load("victoria"), settings_in(tmp_path), load=broken)["libraries"].state is State.FAIL


def test_asking_leaves_keys_out() -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        ask("http://user:secret@127.0.0.1:1/?token=secret")
    assert "secret" not in str(caught.value)
