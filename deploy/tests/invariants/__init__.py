"""What must hold in the plans, each as a small pure function with a name."""

from invariants import access, machines, network, storage, traffic
from invariants.plan import INVARIANTS, Plan, broken

__all__ = ["INVARIANTS", "Plan", "access", "broken", "machines", "network", "storage", "traffic"]
