"""Routes of the page: its files, and what it shows."""

from collections.abc import Callable
from typing import Annotated

import polars as pl
from fastapi import FastAPI, Query, Response
from polars import selectors as cs
from starlette.exceptions import HTTPException

from power_nowcast.serve.answers import SIGNIFICANT
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.page import ASSETS, POLICY, Asset, front
from power_nowcast.serve.routes.nowcasts import IfNoneMatch
from power_nowcast.serve.service import Service
from power_nowcast.serve.view import ShadowRow, SkillRow, View

SpanQuery = Annotated[int, Query(description="Hours of issue times before now.", ge=1, le=168)]
RegionQuery = Annotated[str | None, Query(description="The region that the page opens; the default one if absent.")]
HoursQuery = Annotated[int, Query(description="Hours before the issue time.", ge=1, le=48)]


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/view/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def view(region: str, hours: HoursQuery = 6) -> View:
        """All that the page shows of a region: measured values, the nowcast, what was said before, state and events."""
        return service.view(region, hours)

    def told(name: str, region: str, of: Callable[[str, int], pl.DataFrame], hours: int) -> Response:
        """Figures as JSON; of a followed region they are made once for each publication."""

        def make() -> bytes:
            return of(region, hours).with_columns(cs.float().round_sig_figs(SIGNIFICANT)).write_json().encode()

        service.of(region)
        edition = service.present.of(region)
        body = make() if edition is None else service.present.once(edition, f"{name} {hours}", make)
        return Response(body, media_type="application/json")

    @app.get("/v1/skill/{region}", tags=["live"], responses=problems_of(404, 422, 503), response_model=list[SkillRow])
    def skill(region: str, hours: SpanQuery = 24) -> Response:
        """The errors of the last hours' live nowcasts against those of the last value and the operator's forecast."""
        return told("skill", region, service.skill, hours)

    @app.get("/v1/shadow/{region}", tags=["live"], responses=problems_of(404, 422, 503), response_model=list[ShadowRow])
    def shadow(region: str, hours: SpanQuery = 168) -> Response:
        """The version that is in the shadow, or was last, beside what was published in the last hours."""
        return told("shadow", region, service.shadow, hours)

    # These only hand out what is in memory: they need no thread, in which they would wait for other requests.
    @app.get("/", include_in_schema=False)
    async def first(region: RegionQuery = None, if_none_match: IfNoneMatch = None) -> Response:
        known = region if region in service.served else service.default_region
        return _file(front(ASSETS["index.html"], known), if_none_match)

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str, if_none_match: IfNoneMatch = None) -> Response:
        if name not in ASSETS or name == "index.html":
            raise HTTPException(404, f"The page has no file {name!r}.")
        return _file(ASSETS[name], if_none_match)


def _file(asset: Asset, known: str | None) -> Response:
    headers = {
        "etag": asset.etag,
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }
    if known == asset.etag:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)
