"""The rendered documents of an overlay, and the register of what must hold in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

type Values = dict[str, Any]
type Rule = Callable[["Rendered"], Iterator[str]]

COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Pods:
    """The pods of a Deployment, a Job or a CronJob: the owner's address, the labels and the spec of the template."""

    owner: str
    labels: dict[str, str]
    spec: Values

    @property
    def component(self) -> str:
        """What the pods do: live, retrain or analysis."""
        return self.labels.get(COMPONENT, "")

    @property
    def container(self) -> Values:
        """The only container."""
        (one,) = self.spec["containers"]
        return dict(one)


@dataclass(frozen=True)
class Rendered:
    """The documents of an overlay: `dev`, `prod` or `canary`."""

    overlay: str
    documents: list[Values]

    def of(self, *kinds: str) -> list[Values]:
        """Documents of these kinds."""
        return [one for one in self.documents if one["kind"] in kinds]

    def one(self, kind: str, name: str = "") -> Values:
        """The only document of a kind, or the one with this name."""
        (found,) = (each for each in self.of(kind) if name in ("", each["metadata"]["name"]))
        return found

    def pods(self, *components: str) -> list[Pods]:
        """Pods of these components, of all of them if none is named."""
        found = [_pods(one) for one in self.of("Deployment", "Job", "CronJob")]
        return [one for one in found if not components or one.component in components]

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the service and of retraining."""
        (one,) = self.of("ConfigMap")
        return dict(one["data"])


def address(document: Values) -> str:
    """Kind and name, for messages."""
    return f"{document['kind']}/{document['metadata']['name']}"


def _pods(owner: Values) -> Pods:
    spec = owner["spec"]["jobTemplate"]["spec"] if owner["kind"] == "CronJob" else owner["spec"]
    template = spec["template"]
    return Pods(address(owner), template["metadata"]["labels"], template["spec"])


def selects(labels: dict[str, str], selector: Values) -> bool:
    """Whether a selector (of labels, or of labels and expressions) chooses pods with these labels."""
    wanted = selector.get("matchLabels", {})
    within = all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", []))
    return within and all(labels.get(key) == value for key, value in wanted.items())


RULES: dict[str, tuple[frozenset[str], Rule]] = {}
"""What must hold, by name: the overlays of which it speaks, and the function that yields offences."""


def rule(*overlays: str) -> Callable[[Rule], Rule]:
    """Register a function under its name, for these overlays, for all of them if none is named."""

    def register(check: Rule) -> Rule:
        RULES[check.__name__] = (frozenset(overlays or ("dev", "prod", "canary")), check)
        return check

    return register


def broken(rendered: Rendered) -> dict[str, list[str]]:
    """Offences by the name of the rule; empty if the overlay keeps them all."""
    found = {name: list(check(rendered)) for name, (overlays, check) in RULES.items() if rendered.overlay in overlays}
    return {name: offences for name, offences in found.items() if offences}
