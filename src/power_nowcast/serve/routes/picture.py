"""The route of the picture. It stands before those of nowcasts, which would take `nyiso.svg` for a region's name."""

from typing import Annotated

from fastapi import FastAPI, Query, Response

from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.picture import MEDIA_TYPE, POLICY, picture_of
from power_nowcast.serve.routes.nowcasts import IfNoneMatch, tagged
from power_nowcast.serve.service import Service, check

OneQuery = Annotated[str | None, Query(description="The series; the region's first one if absent.")]
HOURS = 4


def add(app: FastAPI, service: Service) -> None:
    """Add the route."""

    @app.get(
        "/v1/nowcast/{region}.svg",
        tags=["nowcast"],
        responses=problems_of(404, 422, 503) | {200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
        response_class=Response,
    )
    def picture(region: str, series: OneQuery = None, if_none_match: IfNoneMatch = None) -> Response:
        """The newest nowcast of a series as a picture, light or dark as its reader; made once per publication."""
        one = service.of(region)
        name = series or one.region.series[0]
        check(one.region, [name], None)
        edition = service.edition(region)

        def make() -> bytes:
            return picture_of(service.view(region, HOURS), one.region, name)

        body = make() if edition is None else service.present.once(edition, f"picture {name}", make)
        return tagged(body, MEDIA_TYPE, if_none_match, {"content-security-policy": POLICY})
