"""Asks sources as a process of its own, so that its environment can lead libraries to a proxy.

Reads a JSON list of questions (region, table, now, and start and end where there are) and writes a list of answers:
deliveries with their bytes, rows and addresses, or the error. A question `library` is a class and a method of
gridstatus: its own newest table. All that is logged goes to the standard error.
"""

import json
import logging
import sys
from datetime import datetime
from typing import Any

from power_nowcast.contracts import Table
from power_nowcast.errors import NowcastError
from power_nowcast.ingest.catalog import source_of
from power_nowcast.ingest.libraries import library, table_bytes
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region


def answer(question: dict[str, Any]) -> dict[str, Any]:
    if "library" in question:
        name, method = question["library"].split(".")
        asker = getattr(library("gridstatus", source="gridstatus"), name)()
        return {"table": table_bytes(getattr(asker, method)("latest"), "not raw").decode()}
    region, table = Region.model_validate(question["region"]), Table(question["table"])
    spec = region.spec(table)
    assert spec is not None
    span = {side: datetime.fromisoformat(question[side]) for side in ("start", "end") if question.get(side)}
    now = datetime.fromisoformat(question["now"])
    with Http(clock=lambda: now) as http:
        request = Request(region, table, spec, http=http, **span)
        source, found = source_of(region, spec), []
        try:
            for delivery in source.deliveries(request):
                received = delivery.read()
                rows = source.parse(received, request, delivery.origin)
                found.append(
                    {
                        "origin": delivery.origin,
                        "url": received.url,
                        "data": received.data.decode(),
                        "rows": rows.select("series", "at", "value", "written").rows(),
                    }
                )
        except NowcastError as error:
            told = {"error": str(error), "kind": type(error).__name__, "fields": error.fields}
            return {"deliveries": found, **told}
    return {"deliveries": found}


if __name__ == "__main__":
    logging.basicConfig(level=logging.DEBUG)
    json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout, default=str)
