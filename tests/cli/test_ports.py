"""A server's command says at once that its port is in use, and what to do."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from power_nowcast.cli.base import check_free
from power_nowcast.errors import ConfigurationError
from tests.cli.test_cli import call, said, wide  # noqa: F401 - the fixture is used


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.mark.parametrize("command", ["api", "live", "mlflow", "serve"])
def test_a_port_in_use_is_told_before_anything_else(
    tmp_path: Path, work_in: Callable[..., Path], taken: int, command: str
) -> None:
    work_in(tmp_path)
    done = call(command, "--port", str(taken))
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    first, second = said(done)
    assert first == f"Wrong configuration: 127.0.0.1:{taken} is in use by another process."
    assert f"--port {taken + 1}" in second


def test_a_port_that_was_just_given_back_is_free(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller:
            answered, _ = server.accept()
            answered.close()  # this side closes first, so the port rests in TIME_WAIT
            assert caller.recv(1) == b""
    check_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="No server can listen") as refused:
        check_free("192.0.2.1", 0)
    assert "--host" in refused.value.remedy
