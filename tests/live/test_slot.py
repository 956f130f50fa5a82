import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.files import HEAD, digest_of
from power_nowcast.errors import (
    ArtifactDigestError,
    FormatVersionError,
    ModelError,
    NowcastError,
    RegistryError,
    RegistryUnavailableError,
)
from power_nowcast.live.slot import Fetched, Loader, ModelSlot
from power_nowcast.models.kinds import create
from power_nowcast.regions import Region
from tests.forging import change_head, forge, head_of
from tests.toy import toy_bundle, toy_region

DOWN = RegistryUnavailableError("MLflow does not answer.", remedy="Start it.")
NONE = RegistryError("There is no version.", remedy="Promote one.")


@pytest.fixture(scope="module")
def region() -> Region:
    return toy_region()


@pytest.fixture(scope="module")
def bundles(region: Region) -> list[Bundle]:
    return [toy_bundle(region, seed=1), toy_bundle(region, seed=2)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "model cache"


@pytest.fixture
def folders(bundles: list[Bundle], cache: Path) -> list[Path]:
    found = [cache / f"v{number}" for number in (1, 2)]
    for bundle, folder in zip(bundles, found, strict=True):
        bundle.save(folder)
    return found


def fetched(folder: Path, version: str) -> Fetched:
    """A version, registered under the digest that its folder names now."""
    return Fetched(folder, version, json.loads((folder / HEAD).read_text())["digest"])


class Registry:
    """What a loader stands for: it brings what it was told to, or fails as it was told to."""

    def __init__(self, *answers: Fetched | Exception) -> None:
        self.answers = list(answers)

    def __call__(self) -> Fetched:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def make(region: Region, cache: Path) -> Callable[[Loader], ModelSlot]:
    return lambda loader: ModelSlot(region, loader, cache)


def test_an_empty_slot_says_so(make: Callable[[Loader], ModelSlot]) -> None:
    slot = make(Registry())
    assert not slot.is_loaded
    with pytest.raises(ModelError, match=r"No model of toy is loaded. It is being fetched."):
        _ = slot.current


def test_it_loads_and_swaps_whole_versions(
    make: Callable[[Loader], ModelSlot], folders: list[Path], bundles: list[Bundle]
) -> None:
    slot = make(Registry(fetched(folders[0], "1"), fetched(folders[1], "2")))
    first = slot.load()
    assert slot.current is first
    assert (first.version, first.from_disk, first.bundle.digest) == ("1", False, bundles[0].digest)
    second = slot.load()
    assert slot.current is second
    assert second.bundle.digest == bundles[1].digest
    assert first.bundle.digest == bundles[0].digest  # who holds the old one keeps it whole
    assert slot.trouble is None


def test_the_last_good_version_answers_without_a_registry(
    make: Callable[[Loader], ModelSlot], folders: list[Path], bundles: list[Bundle], caplog: pytest.LogCaptureFixture
) -> None:
    make(Registry(fetched(folders[1], "2"))).load()
    slot = make(Registry(DOWN, fetched(folders[0], "3")))
    with caplog.at_level(logging.WARNING):
        loaded = slot.load()
    assert (loaded.version, loaded.from_disk, loaded.bundle.digest) == ("2", True, bundles[1].digest)
    assert slot.trouble is DOWN
    assert "version 2 from disk answers" in caplog.text
    assert slot.load().version == "3"
    assert slot.trouble is None


def test_the_cache_may_be_moved(
    make: Callable[[Loader], ModelSlot], folders: list[Path], cache: Path, region: Region
) -> None:
    make(Registry(fetched(folders[0], "1"))).load()
    moved = cache.rename(cache.with_name("elsewhere"))
    assert ModelSlot(region, Registry(DOWN), moved).load().version == "1"


def test_a_folder_outside_of_the_cache_is_found_again(
    make: Callable[[Loader], ModelSlot], bundles: list[Bundle], tmp_path: Path
) -> None:
    bundles[0].save(tmp_path / "outside")
    make(Registry(fetched(tmp_path / "outside", "1"))).load()
    assert make(Registry(DOWN)).load().version == "1"


def test_without_registry_and_disk_there_is_no_model(make: Callable[[Loader], ModelSlot]) -> None:
    slot = make(Registry(DOWN))
    with pytest.raises(RegistryUnavailableError):
        slot.load()
    with pytest.raises(ModelError, match=r"No model of toy is loaded. MLflow does not answer") as caught:
        _ = slot.current
    assert caught.value.remedy == "Start it."


@pytest.mark.parametrize("note", ["", "{", "[]", '{"version": "1"}', '{"version": "1", "folder": "gone"}'])
def test_a_damaged_note_is_no_model(make: Callable[[Loader], ModelSlot], cache: Path, note: str) -> None:
    cache.mkdir()
    (cache / "last_good.json").write_text(note)
    with pytest.raises(NowcastError):
        make(Registry(DOWN)).load()


def test_a_registry_without_a_version_is_believed(make: Callable[[Loader], ModelSlot], folders: list[Path]) -> None:
    make(Registry(fetched(folders[0], "1"))).load()
    slot = make(Registry(NONE))
    with pytest.raises(RegistryError, match="no version"):
        slot.load()
    assert not slot.is_loaded


def damage_model(folder: Path) -> None:
    file = folder / "model" / "errors.json"
    file.write_text(file.read_text().replace("0.0", "0.5"))


def lose_a_file(folder: Path) -> None:
    (folder / "calibration.json").unlink()


def later_format(folder: Path) -> None:
    head = json.loads((folder / HEAD).read_text())
    (folder / HEAD).write_text(json.dumps(head | {"format_version": 99}))


def no_list_of_files(folder: Path) -> None:
    head = json.loads((folder / HEAD).read_text())
    del head["files"]
    (folder / HEAD).write_text(json.dumps(head))


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (damage_model, ArtifactDigestError),
        (lose_a_file, ArtifactDigestError),
        (later_format, FormatVersionError),
        (no_list_of_files, ModelError),
    ],
)
def test_a_damaged_version_leaves_the_one_before(
    make: Callable[[Loader], ModelSlot], folders: list[Path], harm: Callable[[Path], None], error: type[ModelError]
) -> None:
    slot = make(Registry(fetched(folders[0], "1"), fetched(folders[1], "2")))
    before = slot.load()
    harm(folders[1])
    with pytest.raises(error):
        slot.load()
    assert slot.current is before
    assert isinstance(slot.trouble, error)
    # At a start the last good one takes its place.
    fresh = make(Registry(fetched(folders[1], "2")))
    assert (fresh.load().version, fresh.current.from_disk) == ("1", True)


def test_a_version_that_answers_its_golden_rows_otherwise_is_refused(
    make: Callable[[Loader], ModelSlot], bundles: list[Bundle], cache: Path
) -> None:
    replace(bundles[0], golden_mw=bundles[0].golden_mw + 1.0).save(cache / "odd")
    slot = make(Registry(fetched(cache / "odd", "1")))
    with pytest.raises(ModelError, match=r"golden rows is off by 1 MW"):
        slot.load()
    assert not slot.is_loaded


def test_a_forged_version_is_not_served_under_its_registered_digest(
    make: Callable[[Loader], ModelSlot], folders: list[Path], bundles: list[Bundle]
) -> None:
    registered = fetched(folders[1], "2")
    slot = make(Registry(fetched(folders[0], "1"), registered, registered))
    before = slot.load()
    forge(folders[1])
    with pytest.raises(ArtifactDigestError, match="not the registered"):
        slot.load()
    # Not even where the folder agrees with itself: what counts is what the registry says.
    change_head(folders[1], digest=digest_of(head_of(folders[1])))
    Bundle.load(folders[1]).check()
    with pytest.raises(ArtifactDigestError, match="not the registered"):
        slot.load()
    assert slot.current is before


def test_the_last_good_version_is_held_against_the_digest_of_its_note(
    make: Callable[[Loader], ModelSlot], folders: list[Path], cache: Path
) -> None:
    make(Registry(fetched(folders[0], "1"))).load()
    note = cache / "last_good.json"
    told = json.loads(note.read_text())
    assert told == {"folder": "v1", "version": "1", "digest": head_of(folders[0])["digest"]}
    note.write_text(json.dumps(told | {"folder": "v2"}))
    with pytest.raises(ArtifactDigestError, match="not the registered"):
        make(Registry(DOWN)).load()
    note.write_text(json.dumps({"folder": "v1", "version": "1"}))  # as versions before this rule left it
    with pytest.raises(RegistryUnavailableError):
        make(Registry(DOWN)).load()


@pytest.mark.parametrize("features", [{"days": (1,)}, {"lags": (7,)}])
def test_a_version_that_gives_no_nowcast_is_refused_before_it_answers(
    make: Callable[[Loader], ModelSlot],
    folders: list[Path],
    bundles: list[Bundle],
    cache: Path,
    features: dict[str, tuple[int, ...]],
) -> None:
    """Golden rows hold features that are made already: only a nowcast shows that the model's cannot be made."""
    odd = replace(bundles[0], spec=replace(bundles[0].spec, **features))
    odd.check()
    odd.save(cache / "odd")
    slot = make(Registry(fetched(folders[0], "1"), fetched(cache / "odd", "2")))
    before = slot.load()
    with pytest.raises(ModelError, match="gives no nowcast"):
        slot.load()
    assert slot.current is before
    assert make(Registry(fetched(cache / "odd", "2"))).load().version == "1", "the last good one"


def test_a_model_of_another_region_is_refused(
    make: Callable[[Loader], ModelSlot], bundles: list[Bundle], cache: Path
) -> None:
    replace(bundles[0], region=toy_region("elsewhere")).save(cache / "other")
    with pytest.raises(ModelError, match="is a model of elsewhere every 30 minutes") as caught:
        make(Registry(fetched(cache / "other", "1"))).load()
    assert "Train one of toy" in caught.value.remedy


def test_files_that_cannot_be_kept_are_told(make: Callable[[Loader], ModelSlot]) -> None:
    with pytest.raises(ModelError, match=r"cannot be kept.*No space left"):
        make(Registry(OSError(28, "No space left on device"))).load()


def test_a_cache_that_cannot_be_written_does_not_stop_it(
    region: Region, bundles: list[Bundle], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundles[0].save(tmp_path / "v1")
    (tmp_path / "a file").write_text("")
    slot = ModelSlot(region, Registry(fetched(tmp_path / "v1", "1")), tmp_path / "a file" / "cache")
    assert slot.load().version == "1"
    assert "is not noted" in caplog.text


@pytest.mark.parametrize("total", ["ALL", None])
@pytest.mark.parametrize("forecast", [{"source": "files", "interval_minutes": 60}, None])
def test_every_shape_of_region_is_warmed_up(total: str | None, forecast: dict[str, object] | None, cache: Path) -> None:
    ahead = {"source": "files", "variables": ["KTOY.temperature_c"]} if forecast else None
    changes = {
        "total": total,
        "forecast": forecast,
        "weather": toy_region().weather if forecast else None,
        "weather_forecast": ahead,
        "features": ["quality", "holidays"] if forecast else [],
    }
    region = Region.model_validate(toy_region().model_dump() | changes)
    bundle = replace(toy_bundle(toy_region()), region=region)
    bundle = replace(
        bundle,
        model=create("persistence", region.series, bundle.model.knots),
        fallback=create("persistence", region.series, bundle.fallback.knots),
        calibration=Calibration.neutral(region.series, bundle.leads, bundle.calibration.as_of),
        golden=replace(bundle.golden, series=()).take(np.zeros(0, np.int64)),
        golden_mw=np.empty((0,)),
    )
    from power_nowcast.live import slot as slots
    from power_nowcast.live.nowcaster import BEFORE_TRAINING, Nowcaster, Quality

    panel = slots._ordinary_week(bundle)
    answer = Nowcaster(bundle).nowcast(panel, panel.end)
    assert set(answer.quality) == {Quality.REDUCED}
    assert set(answer.flags) <= {"short history", BEFORE_TRAINING}
    assert np.isfinite(answer.values).all()
    if forecast:
        blind = replace(
            panel,
            weather_forecast=replace(
                panel.weather_forecast, values=np.full_like(panel.weather_forecast.values, np.nan)
            ),
        )
        assert "no weather forecast" in Nowcaster(bundle).nowcast(blind, panel.end).flags


class Reader:
    """Opens versions, and notes which."""

    def __init__(self) -> None:
        self.folders: list[Path] = []

    def __call__(self, folder: Path, digest: str) -> Bundle:
        self.folders.append(folder)
        return Bundle.load(folder, digest)


def test_the_version_on_disk_answers_before_the_registry_is_asked(
    make: Callable[[Loader], ModelSlot], folders: list[Path]
) -> None:
    make(Registry(fetched(folders[0], "1"))).load()
    registry = Registry(fetched(folders[0], "1"))
    slot = make(registry)
    begun = slot.begin()
    assert begun is slot.current
    assert (begun.version, begun.from_disk, len(registry.answers)) == ("1", True, 1)
    loaded = slot.load()
    assert loaded.bundle is begun.bundle
    assert not loaded.from_disk


def test_nothing_on_disk_begins_nothing(make: Callable[[Loader], ModelSlot]) -> None:
    slot = make(Registry())
    assert slot.begin() is None
    assert not slot.is_loaded
    assert slot.trouble is None


def test_a_registry_without_a_version_takes_the_one_from_disk_back(
    make: Callable[[Loader], ModelSlot], folders: list[Path]
) -> None:
    make(Registry(fetched(folders[0], "1"))).load()
    slot = make(Registry(NONE))
    slot.begin()
    with pytest.raises(RegistryError):
        slot.load()
    assert not slot.is_loaded


def test_a_rollback_reads_nothing_again(region: Region, cache: Path, folders: list[Path]) -> None:
    one, two = fetched(folders[0], "1"), fetched(folders[1], "2")
    reader = Reader()
    slot = ModelSlot(region, Registry(one, two, one, one, two), cache, reader)
    versions = [slot.load().version for _ in range(5)]
    assert versions == ["1", "2", "1", "1", "2"]
    assert reader.folders == folders


def test_a_version_that_fails_is_not_opened_again_until_another_should_answer(
    region: Region, cache: Path, folders: list[Path]
) -> None:
    one, bad = fetched(folders[0], "1"), fetched(folders[1], "2")._replace(digest="0" * 64)
    reader = Reader()
    slot = ModelSlot(region, Registry(one, bad, bad, bad, one, bad), cache, reader)
    slot.load()
    troubles = []
    for _ in range(3):
        with pytest.raises(ModelError):
            slot.load()
        troubles.append(slot.trouble)
    assert reader.folders == [folders[0], folders[1]]
    assert troubles[0] is troubles[1] is troubles[2]
    assert slot.current.version == "1"
    assert slot.load().version == "1"
    assert slot.trouble is None
    with pytest.raises(ModelError):
        slot.load()
    assert len(reader.folders) == 3
