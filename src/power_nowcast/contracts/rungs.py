"""The rungs of the ladder: how an answer was made when not everything is there."""

from enum import StrEnum


class Rung(StrEnum):
    """How the answer of one series was made, best first."""

    ALL = "all inputs"
    INPUTS = "inputs missing"  # the model without a family of inputs, or with gaps in its recent values
    ZONES = "zones missing"  # the model, with the total from the other zones and their usual share
    LATE = "load late"  # the model, from a last value that is late
    OPERATOR = "operator forecast"  # the operator's forecast, shifted by its last known error
    SEASONAL = "seasonal persistence"  # the last value, and the usual change at this time of the week
    PERSISTENCE = "persistence"  # the last value, where history is too short for the rungs above
    REFUSED = "refused"  # no value is recent enough

    @property
    def is_model(self) -> bool:
        """Whether the model answers, and not a rule in its place."""
        return self in (Rung.ALL, Rung.INPUTS, Rung.ZONES, Rung.LATE)

    def reaches(self, least: "Rung") -> bool:
        """Whether this rung is `least` or a better one."""
        order = list(Rung)
        return order.index(self) <= order.index(least)
