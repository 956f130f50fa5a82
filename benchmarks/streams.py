"""A thousand subscribers of the live service: memory, readers that stall, the end of the service."""

import socket
import time
from contextlib import suppress
from multiprocessing import Process
from pathlib import Path

from serving import HOST, STREAM, Following, request, resident_mib

STREAMS, STALLED = 1000, 10


def measure(live: Process, port: int, following: Following, key: dict[str, str], log: Path) -> dict[str, float]:
    """Memory of 1,000 streams, the end of those that stall, and the end of the process with all open.

    Args:
        live: the process of the service, which is ended.
        port: its port.
        following: lets intervals pass in it.
        key: headers with a key.
        log: the file of its log.
    """
    before = resident_mib(live.pid)
    streams = [_stream(port, key) for _ in range(STREAMS)]
    for one in streams:
        _event(one)
    number, figures = following.step(), dict[str, float]()
    for one in streams:
        _event(one)
    figures["event_of_all_streams_s"] = time.time() - following.in_hand(number)
    figures["stream_kb"] = (resident_mib(live.pid) - before) * 1024 * 1.024 / STREAMS
    stalled = [_stream(port, key, receive_bytes=1) for _ in range(STALLED)]
    begun, ports = time.monotonic(), {one.getsockname()[1] for one in stalled}
    while ports & _open_to(port) and time.monotonic() - begun < 120:
        time.sleep(0.1)
    figures["stalled_closed_s"] = time.monotonic() - begun
    begun = time.monotonic()
    live.terminate()
    live.join()
    figures["sigterm_s"] = time.monotonic() - begun
    told = log.read_text()
    figures["sigterm_errors"] = told.count("ERROR") + told.count("Traceback")
    figures["streams_cut_off"] = sum(not _rest(one).endswith(b"0\r\n\r\n") for one in streams)
    return figures


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
