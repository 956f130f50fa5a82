"""Questions to the registry in a process of its own: its end, and the errors of what is asked."""

import os

import pytest

from power_nowcast.errors import RegistryUnavailableError, StoreError
from power_nowcast.live.asking import OwnProcess


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
