"""Routes of the page: its files, and what it shows."""

from typing import Annotated

from fastapi import FastAPI, Header, Query, Response
from polars import selectors as cs
from starlette.exceptions import HTTPException

from power_nowcast.serve.answers import SIGNIFICANT
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.page import ASSETS, POLICY
from power_nowcast.serve.service import Service
from power_nowcast.serve.view import SkillRow, View

SpanQuery = Annotated[int, Query(description="Hours of issue times before now.", ge=1, le=168)]
IfNoneMatch = Annotated[str | None, Header()]
HoursQuery = Annotated[int, Query(description="Hours before the issue time.", ge=1, le=48)]


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/view/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def view(region: str, hours: HoursQuery = 6) -> View:
        """All that the page shows of a region: measured values, the nowcast, what was said before, state and events."""
        return service.view(region, hours)

    @app.get("/v1/skill/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def skill_of_day(region: str, hours: SpanQuery = 24) -> list[SkillRow]:
        """The errors of the last hours' live nowcasts against those of the last known value, and their coverage."""
        rows = service.skill(region, hours).with_columns(cs.float().round_sig_figs(SIGNIFICANT))
        return [SkillRow.model_validate(row) for row in rows.iter_rows(named=True)]

    @app.get("/", include_in_schema=False)
    def front(if_none_match: IfNoneMatch = None) -> Response:
        return _file("index.html", if_none_match)

    @app.get("/page/{name}", include_in_schema=False)
    def file(name: str, if_none_match: IfNoneMatch = None) -> Response:
        if name not in ASSETS or name == "index.html":
            raise HTTPException(404, f"The page has no file {name!r}.")
        return _file(name, if_none_match)


def _file(name: str, known: str | None) -> Response:
    asset = ASSETS[name]
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
