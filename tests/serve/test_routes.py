"""The register of routes: a new group of routes is one function and one line."""

from fastapi import FastAPI

from power_nowcast.serve.routes import ROUTES
from power_nowcast.serve.service import Service
from tests.serve.conftest import Serve


def add_greeting(app: FastAPI, service: Service) -> None:
    @app.get("/v1/greeting/{region}")
    def greeting(region: str) -> dict[str, str]:
        return {"greeting": f"Good morning, {service.of(region).region.title}"}


def test_a_group_of_routes_is_one_function_and_one_line(serve: Serve) -> None:
    client = serve(routes=(*ROUTES, add_greeting))
    assert client.get("/v1/greeting/toy").json() == {"greeting": "Good morning, Toyland"}
    assert client.get("/v1/greeting/atlantis").json()["title"] == "Unknown region"
    assert client.get("/healthz").status_code == 200
    assert "/v1/greeting/{region}" in client.get("/openapi.json").json()["paths"]
