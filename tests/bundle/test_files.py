"""files: a bundle whose files, list or digest were altered is refused; those of the format before are still read."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import HEAD, digest_of, verify
from power_nowcast.bundle.tracking import STEPS, STEPS_BEFORE, Steps
from power_nowcast.contracts import MEDIAN
from power_nowcast.errors import ArtifactDigestError, FormatVersionError, ModelError
from power_nowcast.models.files import finite
from tests.forging import change_head, forge, head_of, sums_of
from tests.toy import toy_bundle, toy_panel, toy_region


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle(toy_region(), kind="lightgbm", n_estimators=3, min_child=20)


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    bundle.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def as_format_8(folder: Path) -> str:
    """The bundle as format 8 had it, without the steps by which its calibration follows; its digest."""
    file = folder / "calibration.json"
    values = json.loads(file.read_text())
    del values["steps"]
    file.write_text(json.dumps(values))
    head = change_head(folder, format_version=8, files=sums_of(folder))
    digest = digest_of(head)
    change_head(folder, digest=digest)
    return digest


def as_format_6(folder: Path) -> str:
    """The bundle as format 6 had it; its digest."""
    as_format_8(folder)
    head = head_of(folder)
    text = json.dumps([head["kind"], head["spec"], head["files"]])
    digest = hashlib.sha256(text.encode()).hexdigest()
    change_head(folder, format_version=6, digest=digest)
    return digest


def as_format_7(folder: Path) -> str:
    """The bundle as format 7 had it, the calibration's balance and skew in the median's place; its digest."""
    as_format_8(folder)
    file = folder / "calibration.json"
    values = json.loads(file.read_text())
    base, hourly = np.array(values["base"]), np.array(values["hourly"])
    base[..., MEDIAN], hourly[..., MEDIAN] = values.pop("skew"), values.pop("balance")
    file.write_text(json.dumps(values | {"base": base.tolist(), "hourly": hourly.tolist()}))
    head = change_head(folder, format_version=7, files=sums_of(folder))
    decisive = {key: value for key, value in head.items() if key != "digest"}
    decisive["info"] = {key: value for key, value in head["info"].items() if key != "created_at"}
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
    change_head(folder, digest=digest)
    return digest


def test_a_bundle_of_format_7_keeps_its_digest_and_its_calibration(bundle: Bundle, folder: Path) -> None:
    registered = as_format_7(folder)
    old, calibration = Bundle.load(folder, registered), bundle.calibration
    assert old.digest == registered != bundle.digest
    assert old.calibration.id == calibration.id
    assert np.abs(calibration.skew).max() > 0
    assert np.array_equal(old.calibration.skew, calibration.skew)
    assert np.array_equal(old.calibration.balance, calibration.balance)
    assert np.array_equal(old.calibration.base, calibration.base)
    old.check()


def test_a_bundle_of_format_8_goes_on_with_the_steps_that_it_had(bundle: Bundle, folder: Path) -> None:
    old, panel = Bundle.load(folder, as_format_8(folder)), toy_panel(bundle.region)
    assert (bundle.steps, old.steps) == (STEPS, STEPS_BEFORE)
    issues = panel.times[50 * 48 :]
    told, followed = old.replay(panel, issues)
    again, expected = replace(bundle, steps=STEPS_BEFORE).replay(panel, issues)
    assert np.array_equal(told.values, again.values, equal_nan=True)
    assert followed.id == expected.id != bundle.replay(panel, issues)[1].id


def test_the_steps_come_back_with_the_bundle(bundle: Bundle, folder: Path) -> None:
    own = replace(bundle, steps=Steps(base=0.1, hour=0.2, median=0.0, skew=0.3, pooled=0.4))
    own.save(folder)
    assert Bundle.load(folder).steps == own.steps
    assert own.digest != bundle.digest


@pytest.mark.parametrize("wrong", [{"hour": -0.1}, {"pooled": 1.5}, {"base": float("nan")}, {"skew": "0.1"}])
def test_steps_that_are_none_are_refused(bundle: Bundle, folder: Path, wrong: dict[str, Any]) -> None:
    replace(bundle, steps=bundle.steps._replace(**wrong)).save(folder)
    with pytest.raises(ModelError, match="calibration is not whole"):
        Bundle.load(folder)


def test_a_forged_bundle_is_refused(bundle: Bundle, folder: Path) -> None:
    forge(folder)
    for digest in (None, bundle.digest):
        with pytest.raises(
            ArtifactDigestError, match=r"its digest is \w{12}, not the registered " + bundle.digest[:12]
        ):
            Bundle.load(folder, digest)


def test_a_forged_bundle_that_agrees_with_itself_is_not_the_registered_one(bundle: Bundle, folder: Path) -> None:
    forge(folder)
    made = change_head(folder, digest=digest_of(head_of(folder)))["digest"]
    forged = Bundle.load(folder)
    forged.check()
    assert forged.digest == made != bundle.digest
    assert not np.allclose(forged.golden_mw, bundle.golden_mw)
    with pytest.raises(ArtifactDigestError, match="not the registered"):
        Bundle.load(folder, bundle.digest)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "xgboost"},
        {"series": ["N.E.", "ALL", "SOUTH 1"]},
        {"quantiles": [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]},
        {"fallback_knots": [30, 60, 90, 120, 600]},
        {"spec": {"knots": [30, 60, 120]}},
        {"info": {"train_end": "2023-01-01T00:00Z"}},
        {"info": {"git_sha": "1" * 40}},
        {"more": 1},
    ],
)
def test_every_part_of_the_head_counts(folder: Path, change: dict[str, Any]) -> None:
    head = head_of(folder)
    merged = {key: head[key] | value if isinstance(value, dict) else value for key, value in change.items()}
    change_head(folder, **merged)
    with pytest.raises(ArtifactDigestError, match="its digest is"):
        Bundle.load(folder)


def test_the_same_training_done_again_is_the_same_version(folder: Path) -> None:
    head = head_of(folder)
    later = head | {"info": head["info"] | {"created_at": "2030-01-01T00:00:00+00:00"}}
    assert digest_of(later) == head["digest"]


def test_the_format_before_is_read_under_its_own_digest(bundle: Bundle, folder: Path) -> None:
    registered = as_format_6(folder)
    old = Bundle.load(folder, registered)
    old.check()
    assert old.digest == registered != bundle.digest
    np.testing.assert_array_equal(old.golden_mw, bundle.golden_mw)
    forge(folder)
    with pytest.raises(ArtifactDigestError, match="not the registered"):
        Bundle.load(folder, registered)


@pytest.mark.parametrize(
    "change",
    [
        {"series": ["N.E.", "ALL", "SOUTH 1"]},
        {"quantiles": [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99]},
        {"fallback_knots": [30, 60]},
    ],
)
def test_what_the_digest_before_left_out_is_held_against_the_files(folder: Path, change: dict[str, Any]) -> None:
    registered = as_format_6(folder)
    change_head(folder, **change)
    with pytest.raises(ModelError):
        Bundle.load(folder, registered)


def add_a_file(folder: Path) -> str:
    (folder / "model" / "more.txt").write_text("tree")
    return r"model/more.txt: not in its list"


def list_a_file_beside(folder: Path) -> str:
    (folder.parent / "beside.json").write_text("{}")
    change_head(folder, files=head_of(folder)["files"] | {"../beside.json": hashlib.sha256(b"{}").hexdigest()})
    return r"outside of the folder: ../beside.json"


def list_an_absolute_path(folder: Path) -> str:
    place = folder.parent / "beside.json"
    place.write_text("{}")
    change_head(folder, files=head_of(folder)["files"] | {str(place): hashlib.sha256(b"{}").hexdigest()})
    return r"outside of the folder"


def link_a_file(folder: Path) -> str:
    target = (folder / "calibration.json").rename(folder.parent / "kept.json")
    (folder / "calibration.json").symlink_to(target)
    return r"calibration.json: a model has plain files only, no links"


def link_a_folder(folder: Path) -> str:
    target = (folder / "model").rename(folder.parent / "kept")
    (folder / "model").symlink_to(target)
    return r"model: a model has plain files only, no links"


def link_the_head(folder: Path) -> str:
    target = (folder / HEAD).rename(folder.parent / "head.json")
    (folder / HEAD).symlink_to(target)
    return r"model.json: a model has plain files only, no links"


def take_a_file_off_the_list(folder: Path) -> str:
    change_head(folder, files={k: v for k, v in head_of(folder)["files"].items() if k != "region.json"})
    return r"region.json: not in its list"


def no_list_at_all(folder: Path) -> str:
    change_head(folder, files=None)
    return r"model.json is not whole"


@pytest.mark.parametrize(
    "harm",
    [
        add_a_file,
        list_a_file_beside,
        list_an_absolute_path,
        link_a_file,
        link_a_folder,
        link_the_head,
        take_a_file_off_the_list,
        no_list_at_all,
    ],
)
def test_only_listed_plain_files_within_the_folder_are_read(folder: Path, harm: Callable[[Path], str]) -> None:
    said = harm(folder)
    head = head_of(folder)
    if head["files"] is not None:
        change_head(folder, digest=digest_of(head))  # an attacker keeps the books
    with pytest.raises(ArtifactDigestError, match=said) as caught:
        Bundle.load(folder)
    assert caught.value.fields["path"] == str(folder)


def test_what_was_verified_is_what_is_read(folder: Path) -> None:
    before = (folder / "region.json").read_text()
    _, files = verify(folder)
    (folder / "region.json").write_text("{}")
    assert (files / "region.json").read_text() == before
    with pytest.raises(ModelError, match="no file model/gone"):
        (files / "model" / "gone").read_bytes()


@pytest.mark.parametrize("text", ["", "[]", "3", '{"format_version": "6"}'])
def test_a_head_that_is_none(folder: Path, text: str) -> None:
    (folder / HEAD).write_text(text)
    with pytest.raises((ModelError, FormatVersionError)):
        Bundle.load(folder)


def test_files_that_no_training_writes_are_errors_of_the_model(folder: Path) -> None:
    (folder / "dependence.json").write_text('{"series": 1}')
    change_head(folder, files=sums_of(folder))
    change_head(folder, digest=digest_of(head_of(folder)))
    with pytest.raises(ModelError, match="cannot be read"):
        Bundle.load(folder)


@pytest.mark.parametrize(("values", "shape"), [([1.0, np.nan], None), ([1.0, np.inf], (2,)), ([1.0], (2,))])
def test_numbers_are_finite_and_as_many_as_there_should_be(values: list[float], shape: tuple[int, ...] | None) -> None:
    with pytest.raises(ModelError, match="not finite, or too many or too few"):
        finite(values, shape)
