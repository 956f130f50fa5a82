"""Clients that ask the live service without a pause, in a process of their own."""

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from served import HOST

ANSWERED, BUSY = (200,), (200, 429, 503)
"""Statuses that count as an answer to a GET, and to a POST, of which a busy service may refuse some."""


@contextmanager
def pressed(port: int, get: bytes, post: bytes, gets: int, posts: int) -> Iterator[dict[str, float]]:
    """So many connections on GET and on POST, each of which asks again as soon as it is answered.

    After the block the figures are there: answers to each a second, and how many were none.
    """
    spawn = multiprocessing.get_context("spawn")
    end, (ours, theirs) = spawn.Event(), spawn.Pipe(duplex=False)
    client = spawn.Process(target=_press, args=(port, ((get, gets), (post, posts)), end, theirs))
    client.start()
    figures: dict[str, float] = {}
    try:
        yield figures
    finally:
        end.set()
        if ours.poll(60):
            seconds, (got, posted) = ours.recv()
            figures |= {
                "pressed_gets_a_second": sum(got.values()) / seconds,
                "pressed_posts_a_second": posted[200] / seconds,
            }
            failed = sum(count for status, count in got.items() if status not in ANSWERED)
            figures["pressed_errors"] = failed + sum(count for status, count in posted.items() if status not in BUSY)
        client.join(60)


def _press(
    port: int, asked: tuple[tuple[bytes, int], ...], end: Event, told: "multiprocessing.connection.Connection"
) -> None:
    begun = time.monotonic()
    counts = asyncio.run(_all(port, asked, end))
    told.send((time.monotonic() - begun, counts))


async def _all(port: int, asked: tuple[tuple[bytes, int], ...], end: Event) -> list[Counter[int]]:
    counts = [Counter[int]() for _ in asked]
    clients = [
        _client(port, one, end, count)
        for (one, number), count in zip(asked, counts, strict=True)
        for _ in range(number)
    ]
    await asyncio.gather(*clients)
    return counts


async def _client(port: int, asked: bytes, end: Event, count: Counter[int]) -> None:
    """One connection; statuses are counted, 0 is a connection that ended within an answer."""
    reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 24)
    while not end.is_set():
        writer.write(asked)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].split()[0])
            await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            count[0] += 1
            break
        count[int(head.split()[1])] += 1
    writer.close()
