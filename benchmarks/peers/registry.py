"""The register of peers, in the order of the table; a new peer is a module and a line here."""

from importlib import import_module, metadata

from peers.base import Peer

PEERS = {
    "persistence": "peers.naive:Persistence",
    "last-week": "peers.naive:LastWeek",
    "last-week-ramp": "peers.naive:LastWeeksRamp",
    "openstef": "peers.openstef:OpenSTEF",
    "nhits": "peers.neuralforecast_nhits:NHITSPeer",
    "skforecast": "peers.skforecast_lightgbm:Skforecast",
    "mlforecast": "peers.mlforecast_lightgbm:MLForecastPeer",
    "fracast": "peers.fracast_zero_shot:FracastPeer",
    "ours": "peers.ours:PowerNowcast",
}
OURS = "ours"
CLASSES = {
    "a": tuple(PEERS),
    "b": ("openstef", "nhits", "skforecast", "mlforecast", "ours"),
}


def peer(name: str) -> type[Peer]:
    """The adapter of this name; its library is imported.

    Raises:
        ImportError: the library is not installed.
    """
    module, found = PEERS[name].split(":")
    made: type[Peer] = getattr(import_module(module), found)
    return made


def versions(kind: type[Peer]) -> dict[str, str]:
    """Versions of the libraries that an adapter names."""
    return {name: metadata.version(name) for name in kind.libraries}
