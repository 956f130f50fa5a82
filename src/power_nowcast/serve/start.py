"""The start of the API: it reads the settings, finds the production versions, and runs the server."""

import logging
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from power_nowcast.bundle.watch import WatchLimits
from power_nowcast.collect import Follower
from power_nowcast.errors import StoreError
from power_nowcast.ingest import ReplayClock, replayed
from power_nowcast.ingest.catalog import check_ready, check_sources
from power_nowcast.live.asking import Ask, OwnProcess
from power_nowcast.live.beside import Beside
from power_nowcast.live.changes import Changes
from power_nowcast.live.clock import note_clock
from power_nowcast.live.early import Early, keep
from power_nowcast.live.loop import Loop
from power_nowcast.live.present import Present
from power_nowcast.live.records import Published
from power_nowcast.live.shadow import Shadow
from power_nowcast.live.slot import ModelSlot
from power_nowcast.monitor.outside import Outside
from power_nowcast.monitor.watch import Watch
from power_nowcast.regions import load
from power_nowcast.serve import logs
from power_nowcast.serve.connection import HEAD_BYTES, REQUEST_SECONDS, STALL_SECONDS, connection
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.guard import Limits, limits_of
from power_nowcast.serve.service import Served
from power_nowcast.serve.versions import production, shadow
from power_nowcast.settings import settings
from power_nowcast.store import Store

logger = logging.getLogger("power_nowcast.live")


def serve_api(host: str, port: int, names: list[str]) -> None:
    """Serve these regions until interrupted; other processes collect their data.

    Raises:
        UnknownRegionError: there is no such region.
    """
    store = Store(settings().data, cache_bytes=settings().cache_bytes)
    found = [load(name) for name in names]
    named = {region.name: name for region, name in zip(found, names, strict=True)}
    with OwnProcess(logs.config()) as ask:
        served = {region.name: Served(region, production(region, settings(), ask)) for region in found}
        app = create_app(served, store, default_region=found[0].name, limits=_limits(host), changes=Changes(named))
        run_server(app, host, port)


@dataclass(frozen=True)
class Play:
    """A replay in place of the present: first time, speed, and the tables to play (None: the region's own sources)."""

    start: datetime
    speed: float = 1.0
    folder: Path | None = None


def serve_live(early: Early, names: list[str], play: Play | None = None) -> None:
    """Follow these regions, nowcast them at each interval, and serve what is published, until interrupted.

    Args:
        early: listens already; it answers until the newest publications are there.
        names: the regions.
        play: a replay in place of the present.

    Raises:
        UnknownRegionError: there is no such region.
        ConfigurationError: a source does not match its region file, cannot be replayed, or lacks a key or a contact.
    """
    with OwnProcess(logs.config()) as ask:
        _serve_live(early, names, play, ask)


def _serve_live(early: Early, names: list[str], play: Play | None, ask: Ask) -> None:
    store = Store(settings().data, cache_bytes=settings().cache_bytes)
    clock: Any = system_clock if play is None else ReplayClock(play.start, play.speed)
    sleep = time.sleep if play is None else clock.sleep
    served, beside, named, loops = {}, list[Shadow | Beside[Any]](), {}, list[Loop]()
    for name, region in ((name, load(name)) for name in names):
        followed = region if play is None else replayed(region, play.folder)
        check_sources(followed)
        if play is None:
            check_ready(followed)
        note_clock(store, region.name, clock)
        slot = production(region, settings(), ask)
        follower = Follower(store, followed, clock=clock, sleep=sleep, progress=_told)
        outside = Outside(store, _secret(settings().webhook), _secret(settings().heartbeat))
        messages = Beside(f"messages {region.name}", outside.step)
        watch = Watch(store, followed, limits_in_force(slot), clock, messages.tell)
        own = (shadow(store, followed, settings(), ask), Beside(f"watch {region.name}", watch.step, watch.idle))
        loop = Loop(store, followed, slot, follower, clock, sleep, tuple(one.tell for one in own))
        served[region.name], named[region.name] = Served(followed, slot, loop, watch), name
        loops.append(loop)
        beside += (*own, messages)
    for one in beside:
        one.start()
    changes, first = Changes(named, clock), next(iter(served))
    app = create_app(served, store, default_region=first, clock=clock, limits=_limits(early.host), changes=changes)
    for loop in loops:
        _keep_last(app.state.present, loop)
        with suppress(StoreError):  # the loop tries again
            loop.recall()
    run_server(app, early.host, early.port, sockets=early.stop())
    for one in beside:
        one.stop()


def _keep_last(present: Present, loop: Loop) -> None:
    """Keep the answer of each publication for the next start."""
    folder, data = settings().artifacts / loop.region.name, str(settings().data)

    def told(published: Published) -> None:
        edition = present.of(loop.region.name)
        if edition is not None and edition.published is published:
            late_at = published.expires_at + loop.region.interval
            keep(folder, edition.body, edition.etag, data=data, late_at=late_at)

    loop.listeners += (told,)


def limits_in_force(slot: ModelSlot) -> Callable[[], WatchLimits | None]:
    """Asks for the watch's limits of the version that answers: None while there is none, or if it has none."""
    return lambda: slot.current.bundle.watch if slot.is_loaded else None


def _limits(host: str) -> Limits:
    return limits_of(host, settings().api_keys, settings().api_rate)


def _secret(given: SecretStr | None) -> str | None:
    return None if given is None else given.get_secret_value()


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def run_server(
    app: FastAPI,
    host: str,
    port: int,
    *,
    request_seconds: float = REQUEST_SECONDS,
    stall_seconds: float = STALL_SECONDS,
    sockets: list[socket.socket] | None = None,
) -> None:
    """Run the server until it is interrupted; it ends the streams first, so that they do not hold it up.

    A request has `request_seconds` to arrive. A reader that takes nothing for `stall_seconds` is dropped. `sockets`
    listen already; otherwise the server listens on the host and port.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=connection(request_seconds, stall_seconds),
        ws="none",
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_config=logs.config(),
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    _Server(config).run(sockets)


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        present = getattr(self.config.app.state, "present", None)  # type: ignore[union-attr]
        if present is not None:
            present.close()
        # uvicorn would raise the signal again after the graceful end, and the exit code would be a failure's.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _told(text: str) -> None:
    logger.info("%s", text)
