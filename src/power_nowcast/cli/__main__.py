"""`python -m power_nowcast.cli` is `nowcast`."""

from power_nowcast.cli import main

main()
