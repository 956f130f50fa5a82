"""LightGBM, saved in its text format.

The library brings scikit-learn and pandas with it. It is imported where a model is trained or explained, and not where
one is opened and answers.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Floats
from power_nowcast.models.boosters.base import BoostedModel
from power_nowcast.models.boosters.config import BoostingConfig
from power_nowcast.models.boosters.series import Fitted
from power_nowcast.models.boosters.trees import Trees

if TYPE_CHECKING:
    import lightgbm


class LightGBM(BoostedModel):
    """Ramp boosters of LightGBM, Huber loss."""

    kind = "lightgbm"
    suffix = "txt"
    libraries = ("lightgbm",)

    @staticmethod
    def bins(config: BoostingConfig, x: NDArray[np.float32], like: Any) -> Any:
        import lightgbm  # noqa: PLC0415

        return lightgbm.Dataset(x, np.zeros(len(x)), reference=like, params=_params(config, len(x), None)).construct()

    @staticmethod
    def fit_one(
        config: BoostingConfig,
        table: Any,
        y: Floats,
        valid: tuple[Any, Floats] | None,
        rounds: int | None,
        level: float | None,
    ) -> Fitted:
        import lightgbm  # noqa: PLC0415

        params = _params(config, len(y), level)
        train = _labelled(table, y)
        curves: dict[str, dict[str, list[float]]] = {}
        sets, callbacks = [train], [lightgbm.record_evaluation(curves)]
        if valid is not None:
            sets.append(_labelled(*valid))
            callbacks.append(lightgbm.early_stopping(config.early_stopping, first_metric_only=True, verbose=False))
        booster = lightgbm.train(
            params,
            train,
            rounds or config.n_estimators,
            valid_sets=sets if valid is not None else [],
            valid_names=["train", "valid"] if valid is not None else [],
            callbacks=callbacks,
        )
        best = booster.best_iteration if valid is not None else booster.current_iteration()
        text = booster.model_to_string(num_iteration=best)
        return Fitted(text.encode(), best, {part: losses["l1"] for part, losses in curves.items()})

    @staticmethod
    def open(payload: bytes) -> "Forest":
        return Forest(payload)

    @staticmethod
    def features(booster: "Forest") -> int:
        return booster.trees.features

    @staticmethod
    def run(booster: "Forest", x: NDArray[np.float32]) -> Floats:
        return booster.trees.predict(x)

    @staticmethod
    def dump(booster: "Forest") -> bytes:
        return booster.text

    @staticmethod
    def gains(booster: "Forest", features: int) -> Floats:  # noqa: ARG004 - XGBoost needs it
        return np.asarray(booster.native.feature_importance("gain"), np.float64)

    @staticmethod
    def contributions(booster: "Forest", x: NDArray[np.float32]) -> Floats:
        return np.asarray(booster.native.predict(x, pred_contrib=True, num_threads=1), np.float64)[:, :-1]


def _params(config: BoostingConfig, rows: int, level: float | None) -> dict[str, Any]:
    return {
        "objective": "huber" if level is None else "quantile",
        "alpha": config.huber if level is None else level,
        "metric": "l1",
        "learning_rate": config.learning_rate,
        "num_leaves": config.num_leaves,
        "min_data_in_leaf": min(config.min_child, max(1, rows // 20)),
        "bagging_fraction": config.subsample,
        "bagging_freq": 1,
        "feature_fraction": config.colsample,
        "lambda_l2": config.reg_lambda,
        "max_bin": config.max_bin,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": config.seed,
        "verbosity": -1,
    }


def _labelled(table: "lightgbm.Dataset", y: Floats) -> "lightgbm.Dataset":
    known = np.isfinite(y)
    table.set_label(np.where(known, y, 0.0))
    return table.set_weight(None if known.all() else known.astype(np.float32))


class Forest:
    """A booster from its text: its trees, and the library's own object for functions that only the library has."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.trees = Trees.of(text.decode())

    @cached_property
    def native(self) -> "lightgbm.Booster":
        """The library's booster."""
        import lightgbm  # noqa: PLC0415

        return lightgbm.Booster(model_str=self.text.decode())
