"""Faults planted in a copy of the HCL, each with the one invariant that must notice it."""

from breaks.access import ACCESS, BUCKETS
from breaks.fault import Break
from breaks.machines import MACHINES
from breaks.network import NETWORK, TRAFFIC

BREAKS = [*NETWORK, *TRAFFIC, *MACHINES, *BUCKETS, *ACCESS]

__all__ = ["BREAKS", "Break"]
