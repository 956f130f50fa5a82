"""The sign-in of the page: a key is sent once, and a cookie that no script can read stands for it."""

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from power_nowcast.live.sessions import SESSION_SECONDS
from power_nowcast.serve.guard import COOKIE, SESSION
from power_nowcast.serve.service import Service
from power_nowcast.store.keys import Scope


class SignIn(BaseModel):
    """A key of `nowcast keys new`."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=200)


class SessionCard(BaseModel):
    """Who is signed in; nothing but nulls where nobody is."""

    name: str | None = None
    scope: Scope | None = None
    proof: str | None = Field(None, description="Goes into the header X-CSRF-Token of what changes something.")


def add(app: FastAPI, service: Service) -> None:  # noqa: ARG001 - as all groups of routes
    """Add the routes, which are the page's own: a program sends its key with each request."""

    def card(token: str) -> SessionCard:
        session = app.state.sessions.find(token)
        if session is None:
            return SessionCard()
        key = app.state.keys.of(session.key_id)
        if key is None or not key.is_valid:
            return SessionCard()
        return SessionCard(name=key.name, scope=key.scope, proof=session.proof)

    @app.get(SESSION, include_in_schema=False)
    def who(request: Request) -> SessionCard:
        return card(request.cookies.get(COOKIE, ""))

    @app.post(SESSION, include_in_schema=False)
    def sign_in(asked: SignIn, request: Request, response: Response) -> SessionCard:
        # A form of another site, which could sign a browser in with a foreign key, cannot send this type.
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise HTTPException(415, "Send content-type: application/json.")
        key = app.state.keys.find(asked.key.strip())
        if key is None or not key.is_valid:
            raise HTTPException(403, "This key is not known, or revoked.")
        token = app.state.sessions.begin(key.id)
        is_tls = request.url.scheme == "https"
        response.set_cookie(COOKIE, token, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=is_tls)
        return card(token)

    @app.delete(SESSION, include_in_schema=False)
    def sign_out(request: Request, response: Response) -> SessionCard:
        app.state.sessions.end(request.cookies.get(COOKIE, ""))
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return SessionCard()
