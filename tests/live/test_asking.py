"""Questions to the registry in a process of its own: its end, errors of what is asked, and versions that it opens."""

import os
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.errors import ArtifactDigestError, RegistryUnavailableError, StoreError
from power_nowcast.live.asking import OwnProcess
from power_nowcast.live.slot import Fetched, ModelSlot
from tests.toy import toy_bundle, toy_region


def test_the_process_is_started_again_after_its_end() -> None:
    with OwnProcess({"version": 1}) as ask:
        first = ask(os.getpid)
        assert first == ask(os.getpid) != os.getpid()
        with pytest.raises(RegistryUnavailableError, match="has ended in the middle of a question"):
            ask(os._exit, 1)
        assert ask(os.getpid) not in (first, os.getpid())
        with pytest.raises(StoreError, match="It is full") as raised:
            ask(_fail, "It is full.")
        assert raised.value.remedy == "Make room."
    with pytest.raises(RegistryUnavailableError):
        ask(os.getpid)


def _fail(what: str) -> None:
    raise StoreError(what, remedy="Make room.")


@pytest.mark.parametrize("kind", ["persistence_ramp", "lightgbm", "xgboost"])
def test_a_version_that_another_process_opened_gives_the_same_answers_and_bytes(kind: str, tmp_path: Path) -> None:
    region = toy_region()
    own = toy_bundle(region, kind=kind, **({} if kind == "persistence_ramp" else {"n_estimators": 5}))
    own.save(tmp_path / "bundle")
    with OwnProcess({"version": 1}) as ask:

        def opener(folder: Path, digest: str) -> Bundle:
            return ask(Bundle.load, folder, digest)

        slot = ModelSlot(region, lambda: Fetched(tmp_path / "bundle", "1", own.digest), tmp_path / "cache", opener)
        opened = slot.load().bundle
        with pytest.raises(ArtifactDigestError) as raised:
            opener(tmp_path / "bundle", "0" * 64)
    assert raised.value.remedy
    expected = own.quantiles(own.golden)
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(opened.quantiles(opened.golden), expected)
    opened.save(tmp_path / "again")
    assert Bundle.load(tmp_path / "again").digest == opened.digest == own.digest
