"""What must hold in the rendered manifests of Kubernetes, each as a small pure function with a name."""

from manifests import canary, network, pods, service
from manifests.rendered import RULES, Rendered, broken

__all__ = ["RULES", "Rendered", "broken", "canary", "network", "pods", "service"]
