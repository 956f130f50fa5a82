"""A followed region in a terminal: the sentence of the page, fan and table, from the stream of a running service."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from power_nowcast.contracts import QUANTILES
from power_nowcast.contracts.times import minute
from power_nowcast.errors import UnknownRegionError
from power_nowcast.regions import Region
from power_nowcast.report.terminal import HOURS, Fan, draw_fan, fan_table
from power_nowcast.scoring import label
from power_nowcast.serve.headline import AGE, Level, Stage
from power_nowcast.serve.view import View

SILENCE_SECONDS = 37.0
"""A stream that is silent for longer, two heartbeats and a little, is taken for broken."""
RETRY_SECONDS = 3.0
DRAW_SECONDS = 1.0
STYLES = {Level.NORMAL: "", Level.WARNING: "bold yellow", Level.ALARM: "bold red"}
WORDS = {Level.NORMAL: "", Level.WARNING: "Warning: ", Level.ALARM: "ALARM: "}


@dataclass
class Watch:
    """What a terminal shows of a region. Ages go by the service's clock, which the view tells.

    Attributes:
        url: the service's address.
        region: the region.
        series: the series of fan and table.
        clock: seconds of a clock that never jumps.
        width: columns of the fan.
        view: the newest view; None before the first.
        lost: why the service cannot be reached; empty while it can.
    """

    url: str
    region: Region
    series: str
    clock: Callable[[], float] = time.monotonic
    width: int = 80
    view: View | None = field(default=None, init=False)
    lost: str = field(default="", init=False)
    _came: float = field(default=0.0, init=False, repr=False)

    async def run(self, draw: Callable[[RenderableType], None]) -> None:
        """Draw every second, until cancelled; publications come from the stream, which is opened again if it breaks.

        Raises:
            UnknownRegionError: the service has no such region.
        """
        timeout = httpx.Timeout(5.0, read=SILENCE_SECONDS)
        async with httpx.AsyncClient(base_url=self.url, timeout=timeout) as client:
            listening = asyncio.create_task(self._listen(client))
            try:
                while not listening.done():
                    draw(self.picture())
                    await asyncio.wait([listening], timeout=DRAW_SECONDS)
                listening.result()
            finally:
                listening.cancel()

    def show(self, view: View) -> None:
        """Take a new view."""
        self.view, self._came, self.lost = view, self.clock(), ""

    def picture(self) -> RenderableType:
        """The sentence that holds now, the fan, the table, and what is needed to judge them."""
        view = self.view
        trouble = [Text(f"No connection to {self.url}: {self.lost}.", style=STYLES[Level.ALARM])] if self.lost else []
        if view is None:
            return Group(*trouble, Text(f"Waiting for {self.region.name} from {self.url} ..."))
        now = self._now(view)
        stage = stage_of(view, now)
        newest = datetime.fromisoformat(view.newest)
        told = stage.text.replace(AGE, f"{max(0, int((now - newest).total_seconds()) // 60)} minutes")
        fan, model = self._fan(view), view.model
        facts = [
            f"Issued {view.issue_time}, published {view.published_at}; it is {now:%Y-%m-%dT%H:%M:%SZ} there",
            f"{model.name} version {model.version} ({model.kind}), {model.digest[:12]}",
            ", ".join([f"Quality {view.quality}", *view.reasons, *view.notes]),
        ]
        if not view.followed:
            facts.append("This service does not follow the region: nothing here will change.")
        return Group(
            *trouble,
            Text(WORDS[stage.level] + told, style=STYLES[stage.level]),
            Text(),
            draw_fan(fan, width=self.width),
            *(Text(line, style="dim") for line in facts),
            Text(),
            fan_table(fan),
        )

    async def _listen(self, client: httpx.AsyncClient) -> None:
        """Follow the stream: each publication brings a new view."""
        while True:
            try:
                await self._ask(client)
                async with client.stream("GET", f"/v1/stream/{self.region.name}") as stream:
                    async for line in stream.aiter_lines():
                        if line == "event: nowcast":
                            await self._ask(client)
                        elif line == "event: heartbeat":
                            self.lost = ""
                self.lost = "the service has closed the stream"
            except httpx.HTTPError as error:
                self.lost = str(error).rstrip(".") or type(error).__name__
            await asyncio.sleep(RETRY_SECONDS)

    async def _ask(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(f"/v1/view/{self.region.name}", params={"hours": HOURS})
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise UnknownRegionError(
                f"The service at {self.url} has no region {self.region.name!r}.",
                remedy="Name one of its regions, or its address: --url.",
                region=self.region.name,
            )
        answer.raise_for_status()
        self.show(View.model_validate_json(answer.content))

    def _now(self, view: View) -> datetime:
        """The service's time."""
        passed = timedelta(seconds=(self.clock() - self._came) * view.clock.speed)
        return datetime.fromisoformat(view.clock.time) + passed

    def _fan(self, view: View) -> Fan:
        issue = datetime.fromisoformat(view.issue_time)
        one = next(each for each in view.series if each.series == self.series)
        steps = [int((datetime.fromisoformat(at) - issue).total_seconds()) // 60 for at in view.valid_at]
        levels = [one.quantiles[f"q{label(level)}"] for level in QUANTILES]
        return Fan(
            region=self.region,
            series=self.series,
            times=np.array([minute(datetime.fromisoformat(at)) for at in view.times]),
            actual=np.array(one.measured, np.float64),
            issue_time=minute(issue),
            steps_minutes=tuple(steps),
            values=np.array(levels, np.float64).T,
            quantiles=QUANTILES,
        )


def stage_of(view: View, now: datetime) -> Stage:
    """The last sentence whose time has come, as the page chooses it."""
    due = [one for one in view.stages if datetime.fromisoformat(one.since) <= now]
    return due[-1] if due else view.stages[0]
