"""A plan of Terraform as JSON, and the register of what must hold in every plan."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

REGION = "us-west-2"
ACCOUNT = "123456789012"

type Values = dict[str, Any]
type Check = Callable[["Plan"], Iterator[str]]


@dataclass(frozen=True)
class Resource:
    """A planned resource: its address, its kind and its values."""

    address: str
    kind: str
    values: Values

    @property
    def name(self) -> str:
        """The tag `Name`."""
        return str((self.values.get("tags_all") or {}).get("Name", ""))


@dataclass(frozen=True)
class Plan:
    """The plan of a root: `vpc`, `dev` or `prod`."""

    root: str
    told: Values

    def resources(self, *kinds: str) -> list[Resource]:
        """Planned resources of these kinds, of every kind if none is named."""
        found = list(_walk(self.told["planned_values"]["root_module"]))
        return [one for one in found if not kinds or one.kind in kinds]

    def variable(self, name: str) -> Any:
        """Value of a variable of the root. Terraform gives back a value of the command line as the text that it was."""
        value = self.told["variables"][name]["value"]
        return json.loads(value) if isinstance(value, str) and re.fullmatch(r"true|false|\[.*]", value) else value

    @property
    def environment(self) -> str:
        """Name of the environment's resources, such as power-nowcast-dev."""
        return f"power-nowcast-{self.root}"


def _walk(module: Values) -> Iterator[Resource]:
    for one in module.get("resources", []):
        if one["mode"] == "managed":
            yield Resource(one["address"], one["type"], one["values"])
    for child in module.get("child_modules", []):
        yield from _walk(child)


INVARIANTS: dict[str, tuple[frozenset[str], Check]] = {}
"""What must hold, by name: the roots whose plans it speaks of, and the function that yields offences."""


def invariant(*roots: str) -> Callable[[Check], Check]:
    """Register a function under its name, for the plans of these roots."""

    def register(check: Check) -> Check:
        INVARIANTS[check.__name__] = (frozenset(roots), check)
        return check

    return register


def broken(plan: Plan) -> dict[str, list[str]]:
    """Offences by the name of the invariant; empty if the plan keeps them all."""
    found = {name: list(check(plan)) for name, (roots, check) in INVARIANTS.items() if plan.root in roots}
    return {name: offences for name, offences in found.items() if offences}


def as_list(value: Any) -> list[Any]:
    """A value of a policy, which may stand alone or in a list."""
    return value if isinstance(value, list) else [value]


def statements(policy: str) -> list[Values]:
    """Statements of a policy."""
    return as_list(json.loads(policy)["Statement"])
