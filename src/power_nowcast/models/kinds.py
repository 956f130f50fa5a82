"""The register of models: a new kind is one file and one line in `KINDS`.

A library is imported when its model is requested, so that a small service stays small. Commands name the kinds in their
help, so this module imports nothing that takes long.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from power_nowcast.errors import ConfigurationError

if TYPE_CHECKING:
    from power_nowcast.models.base import Model

KINDS: dict[str, tuple[str, str]] = {
    "persistence": ("baselines", "Persistence"),
    "seasonal_naive": ("baselines", "SeasonalNaive"),
    "persistence_ramp": ("baselines", "PersistenceRamp"),
    "xgboost": ("boosters.xgb", "XGBoost"),
    "lightgbm": ("boosters.lgbm", "LightGBM"),
    "mlp": ("networks.neural", "Mlp"),
    "mlp_global": ("networks.neural", "MlpGlobal"),
    "mlp_local": ("networks.local", "MlpLocal"),
    "lstm": ("networks.neural", "Lstm"),
    "tft": ("networks.neural", "Tft"),
    "pooled": ("pooled", "Pooled"),
    "ensemble": ("ensemble", "Ensemble"),
}
BASELINES = ("persistence", "seasonal_naive", "persistence_ramp")
ALIASES = {"xgb": "xgboost", "lgbm": "lightgbm"}


def model_class(kind: str) -> "type[Model]":
    """The class of this name, such as "lightgbm" or its short form "lgbm".

    Raises:
        ConfigurationError: there is no model of this name.
    """
    name = ALIASES.get(kind, kind)
    if name not in KINDS:
        raise ConfigurationError(f"There is no model {kind!r}.", remedy=f"Use one of: {', '.join(KINDS)}.", kind=kind)
    module, attribute = KINDS[name]
    found: type[Model] = getattr(import_module(f"power_nowcast.models.{module}"), attribute)
    return found


def create(kind: str, series: tuple[str, ...], knots: tuple[int, ...], **options: Any) -> "Model":
    """An untrained model with the options that are not None; baselines ignore them."""
    return model_class(kind).of(series, knots, **options)
