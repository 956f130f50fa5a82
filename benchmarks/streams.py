"""A thousand subscribers of the live service: memory, readers that stall, the end of the service."""

import socket
import statistics
import time
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from served import HOST
from serving import STREAM, Following, request, resident_mb

STREAMS, STALLED = 1000, 10
INTERVALS, PAUSE_SECONDS = 7, 0.5


def measure(live: Popen[bytes], port: int, following: Following, key: dict[str, str], log: Path) -> dict[str, float]:
    """Memory of 1,000 streams, the end of those that stall, and the end of the process with all open.

    Args:
        live: the process of the service, which is ended.
        port: its port.
        following: lets intervals pass in it.
        key: headers with a key.
        log: the file of its log.
    """
    streams, figures = [_stream(port, key)], dict[str, float]()
    _event(streams[0])
    before, _ = _followed(live, following, streams)
    more = [_stream(port, key) for _ in range(STREAMS - 1)]
    for one in more:
        _event(one)
    streams += more
    after, figures["event_of_all_streams_s"] = _followed(live, following, streams)
    figures["stream_kb"] = (after - before) * 1000 / len(more)
    stalled = [_stream(port, key, receive_bytes=1) for _ in range(STALLED)]
    begun, ports = time.monotonic(), {one.getsockname()[1] for one in stalled}
    while ports & _open_to(port) and time.monotonic() - begun < 120:
        time.sleep(0.1)
    figures["stalled_closed_s"] = time.monotonic() - begun
    begun = time.monotonic()
    live.terminate()
    live.wait()
    figures["sigterm_s"] = time.monotonic() - begun
    told = log.read_text()
    figures["sigterm_errors"] = told.count("ERROR") + told.count("Traceback")
    figures["streams_cut_off"] = sum(not _rest(one).endswith(b"0\r\n\r\n") for one in streams)
    return figures


def _followed(live: Popen[bytes], following: Following, streams: list[socket.socket]) -> tuple[float, float]:
    """Memory in MB, and seconds from data in hand to the last stream's event: medians of `INTERVALS` intervals.

    A nowcast takes memory and gives it back, more than a hundred streams together have: one look would tell little.
    """
    memory, seconds = list[float](), list[float]()
    for _ in range(INTERVALS):
        number = following.step()
        for one in streams:
            _event(one)
        seconds.append(time.time() - following.in_hand(number))
        time.sleep(PAUSE_SECONDS)
        memory.append(resident_mb(live.pid))
    return statistics.median(memory), statistics.median(seconds)


def _stream(port: int, key: dict[str, str], receive_bytes: int | None = None) -> socket.socket:
    """A connection that has asked for the stream; the system keeps `receive_bytes` that are not read."""
    stream = socket.socket()
    if receive_bytes is not None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    stream.settimeout(60)
    stream.connect((HOST, port))
    stream.sendall(request(STREAM, key))
    return stream


def _event(stream: socket.socket) -> None:
    """Wait for the end of an event `nowcast`."""
    found = b""
    while not (b"event: nowcast" in found and found.endswith(b"\n\n\r\n")):
        part = stream.recv(262144)
        assert part, found
        found += part


def _rest(stream: socket.socket) -> bytes:
    """The last bytes that come before the end."""
    last = b""
    with suppress(ConnectionError):
        while part := stream.recv(262144):
            last = (last + part)[-16:]
    return last


def _open_to(port: int) -> set[int]:
    """Ports of the other sides of this port's open connections."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    mine = f":{port:04X}"
    return {int(line[2].rpartition(":")[2], 16) for line in lines if line[1].endswith(mine) and line[3] == "01"}
