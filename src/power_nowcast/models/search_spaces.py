"""The options with which commands train each kind of model, and those that may be tuned, by their names in its
configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from power_nowcast.errors import ConfigurationError
from power_nowcast.models.kinds import ALIASES


@dataclass(frozen=True)
class Real:
    """A number from `low` to `high`; on a logarithmic scale with `log`."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`, both inclusive; on a logarithmic scale with `log`."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of these numbers."""

    values: tuple[float, ...]


type Parameter = Real | Whole | Choice
type Space = Mapping[str, Parameter]

_BOOSTING: Space = {
    "n_estimators": Whole(100, 1500, log=True),
    "learning_rate": Real(0.02, 0.2, log=True),
    "min_child": Whole(20, 400, log=True),
    "subsample": Real(0.4, 1.0),
    "colsample": Real(0.15, 0.8),
    "reg_lambda": Real(0.1, 100.0, log=True),
    "huber": Real(0.1, 2.0, log=True),
}
_TRAINING: Space = {
    "epochs": Whole(2, 12),
    "learning_rate": Real(3e-4, 6e-3, log=True),
    "weight_decay": Real(0.01, 0.5, log=True),
    "huber": Real(0.1, 2.0, log=True),
}
_LAYERS: Space = {
    "width": Choice((128, 256, 384)),
    "layers": Whole(1, 4),
    "dropout": Real(0.0, 0.5),
    "noise": Real(0.0, 0.5),
    **_TRAINING,
}

SPACES: Mapping[str, Space] = {
    "lightgbm": {"num_leaves": Whole(7, 127, log=True), **_BOOSTING},
    "xgboost": {"max_depth": Whole(3, 10), **_BOOSTING},
    "mlp": _LAYERS,
    "mlp_global": {"shared_width": Choice((64, 128, 256)), "shared_dropout": Real(0.0, 0.4), **_LAYERS},
    "mlp_local": _LAYERS,
    "lstm": {**_LAYERS, "hidden": Choice((16, 32, 48, 64)), "width": Choice((64, 128, 256, 384))},
    "tft": {"hidden": Choice((16, 32, 48)), "dropout": Real(0.0, 0.5), "noise": Real(0.0, 0.5), **_TRAINING},
}
"""Search spaces by kind. Baselines have no options to tune; the members of an ensemble are tuned separately."""


DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "lightgbm": {"n_estimators": 200, "learning_rate": 0.15, "num_leaves": 15, "colsample": 0.2, "early_stopping": 15},
    "xgboost": {"n_estimators": 150, "learning_rate": 0.12, "max_depth": 4, "colsample": 0.2, "early_stopping": 15},
    "lstm": {"epochs": 6, "batch_size": 256, "width": 64, "hidden": 16},
}
"""The options of the commands that train on the feature tables (run, train, tune), where they differ from the values of
the kind's own class. They fit months of data and take minutes on two cores; the class's values fit the years of
backtests and benchmarks."""


def with_defaults(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options with which a command trains a kind: the `DEFAULTS`, replaced by the given ones that are not None."""
    own = {name: value for name, value in given.items() if value is not None}
    return {**DEFAULTS.get(ALIASES.get(kind, kind), {}), **own}


def space_of(kind: str) -> Space:
    """The search space of a kind, by its name or its short form.

    Raises:
        ConfigurationError: the kind has no search space.
    """
    name = ALIASES.get(kind, kind)
    if name not in SPACES:
        raise ConfigurationError(
            f"{kind!r} has no options to tune.", remedy=f"Tune one of: {', '.join(SPACES)}.", kind=kind
        )
    return SPACES[name]


def check_options(kind: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that a kind has options of these names. A kind without options of its own passes them on.

    Raises:
        ConfigurationError: the kind does not have an option.
    """
    unknown = sorted(set(given) - set(known)) if known else []
    if unknown:
        raise ConfigurationError(
            f"{kind} has no option {', '.join(unknown)}.",
            remedy=f"It has: {', '.join(known)}.",
            kind=kind,
            names=unknown,
        )
