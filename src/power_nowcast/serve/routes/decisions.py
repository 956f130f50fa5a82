"""Routes by which administrators decide. The guard lets nobody else reach those that change something."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from power_nowcast.live.changes import Change
from power_nowcast.live.interventions import Intervention, decide, end
from power_nowcast.serve.decisions import (
    ChangeCard,
    Decision,
    DecisionCard,
    Kind,
    Promotion,
    Reason,
    Rollback,
    change_card,
    decision_card,
    standing,
)
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.service import Service

KindQuery = Annotated[Kind, Query(description="What ends: the mark, or the adjustment.")]
SeriesQuery = Annotated[str, Query(description="The series that it is about.")]
ReasonQuery = Annotated[Reason, Query(description="Why; kept with the decision.")]


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/interventions/{region}", tags=["decisions"], responses=problems_of(404, 422, 503))
    def decisions(region: str) -> list[DecisionCard]:
        """The marks and adjustments that are in force, oldest first."""
        return standing(service.store, service.of(region).region.name, service.clock())

    @app.post(
        "/v1/interventions/{region}",
        tags=["decisions"],
        status_code=201,
        responses=problems_of(400, 404, 413, 415, 422, 503)
        | {200: {"model": DecisionCard, "description": "It is in force already; nothing has changed."}},
    )
    def make_decision(region: str, asked: Decision, request: Request, response: Response) -> DecisionCard:
        """Mark a zone, or adjust a series, until a time; the next nowcast follows it.

        The newest decision of a kind about a series counts. The same request, sent again, changes nothing.
        """
        one, now = service.of(region), service.clock()
        if asked.until <= now:
            what = "lies in the past; DELETE ends what is in force"
            raise RequestValidationError([{"type": "past", "loc": ("body", "until"), "msg": what}])
        made, is_new = decide(service.store, one.region, asked.made(now, person_of(request)))
        response.status_code = 201 if is_new else 200
        return decision_card(made)

    @app.delete("/v1/interventions/{region}", tags=["decisions"], responses=problems_of(404, 422, 503))
    def end_decision(
        region: str, kind: KindQuery, series: SeriesQuery, reason: ReasonQuery, request: Request
    ) -> list[DecisionCard]:
        """End a mark or an adjustment now; where none is in force nothing changes. Answers what is in force then."""
        one, now = service.of(region), service.clock()
        end(service.store, one.region, Intervention(kind, series, now, now, now, 0.0, reason, person_of(request)))
        return standing(service.store, one.region.name, now)

    _add_changes(app, service)


def _add_changes(app: FastAPI, service: Service) -> None:
    """Add the routes of the version in production. A change takes as long as a comparison: these do not wait for it."""

    def ask(request: Request, region: str, version: str | None, reason: str) -> ChangeCard:
        wanted = Change(region, version, person_of(request), reason, service.clock())
        found, is_same = request.app.state.changes.ask(wanted)
        if not is_same:
            raise HTTPException(409, f"A change of {found.region} is running, which {found.person} asked for.")
        return change_card(found)

    @app.post(
        "/v1/models/{region}/promote",
        tags=["decisions"],
        status_code=202,
        responses=problems_of(400, 404, 409, 413, 415, 422, 503),
    )
    def promote(region: str, asked: Promotion, request: Request) -> ChangeCard:
        """Compare a version with the one in production, and put it there if the rule allows it, as `nowcast promote`.

        The answer comes at once, and `GET /v1/models/{region}/changes` says how far it is. The same request, sent again
        meanwhile, begins nothing.
        """
        return ask(request, service.of(region).region.name, asked.version, asked.reason)

    @app.post(
        "/v1/models/{region}/rollback",
        tags=["decisions"],
        status_code=202,
        responses=problems_of(400, 404, 409, 413, 415, 422, 503),
    )
    def rollback(region: str, asked: Rollback, request: Request) -> ChangeCard:
        """Put the version before back into production, as `nowcast promote --rollback`, if `from_version` answers."""
        one = service.of(region)
        now = one.slot.current.version
        if asked.from_version != now:
            raise HTTPException(409, f"Version {now} of {region} answers, and not version {asked.from_version}.")
        return ask(request, one.region.name, None, asked.reason)

    @app.get("/v1/models/{region}/changes", tags=["decisions"], responses=problems_of(404, 422))
    def changes(region: str, request: Request) -> list[ChangeCard]:
        """The promotions and rollbacks that were asked of this service since its start, newest first."""
        return [change_card(one) for one in request.app.state.changes.of(service.of(region).region.name)]


def person_of(request: Request) -> str:
    """The name of the key that a request was let through with."""
    return str(request.scope["person"])
