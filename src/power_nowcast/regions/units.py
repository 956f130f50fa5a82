"""Units of power in which the people of a region read and write. Everything inside is in MW."""

from typing import Literal

type Unit = Literal["MW", "kW", "GW"]

TO_MW = {"MW": 1.0, "kW": 1e-3, "GW": 1e3}
"""Megawatts of one unit."""
