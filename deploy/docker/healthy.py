#!/usr/bin/python3 -I
"""Asks the servers of this container whether one is alive: exit code 0 if so. It needs nothing but Python."""

import os
import sys
import urllib.request

SERVERS = {"NOWCAST_API_PORT": "/healthz", "NOWCAST_SERVE_PORT": "/ping", "NOWCAST_MLFLOW_PORT": "/health"}
"""The variable of each server's port, and its route of health: `nowcast live` and `api`, `serve`, `mlflow`."""
SECONDS = 4


def main() -> int:
    for variable, route in SERVERS.items():
        url = f"http://127.0.0.1:{os.environ[variable]}{route}"
        try:
            with urllib.request.urlopen(url, timeout=SECONDS):
                return 0
        except OSError:
            continue
    return 1


if __name__ == "__main__":
    sys.exit(main())
