"""The register of routes: a new group of routes is a file here and a line in `ROUTES`."""

from collections.abc import Callable

from fastapi import FastAPI

from power_nowcast.serve.routes import alarms, decisions, live, nowcasts, page, picture, session, state
from power_nowcast.serve.service import Service

type Routes = Callable[[FastAPI, Service], None]

ROUTES: tuple[Routes, ...] = (
    *(picture.add, nowcasts.add, live.add, alarms.add, state.add, decisions.add, session.add, page.add),
)
"""Functions that add the routes of a group to the application, in the order of the documentation."""
