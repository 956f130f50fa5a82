"""LightGBM, kept in its text format."""

from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Floats
from power_nowcast.models.boosting import BoostedModel, BoostingConfig, Fitted


class LightGBM(BoostedModel):
    """Ramp boosters of LightGBM, Huber loss."""

    kind = "lightgbm"
    suffix = "txt"

    @staticmethod
    def fit_one(
        config: BoostingConfig,
        x: NDArray[np.float32],
        y: Floats,
        valid: tuple[NDArray[np.float32], Floats] | None,
        rounds: int | None,
    ) -> Fitted:
        params = {
            "objective": "huber",
            "alpha": config.huber,
            "metric": "l1",
            "learning_rate": config.learning_rate,
            "num_leaves": config.num_leaves,
            "min_data_in_leaf": min(config.min_child, max(1, len(y) // 20)),
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
        train = lightgbm.Dataset(x, y, params=params)
        curves: dict[str, dict[str, list[float]]] = {}
        sets, callbacks = [train], [lightgbm.record_evaluation(curves)]
        if valid is not None:
            sets.append(lightgbm.Dataset(*valid, reference=train))
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
    def open(payload: bytes) -> Any:
        return lightgbm.Booster(model_str=payload.decode())

    @staticmethod
    def run(booster: Any, x: NDArray[np.float32]) -> Floats:
        return np.asarray(booster.predict(x, num_threads=1), np.float64)

    @staticmethod
    def dump(booster: Any) -> bytes:
        return str(booster.model_to_string()).encode()

    @staticmethod
    def gains(booster: Any, features: int) -> Floats:  # noqa: ARG004 - XGBoost needs it
        return np.asarray(booster.feature_importance("gain"), np.float64)

    @staticmethod
    def contributions(booster: Any, x: NDArray[np.float32]) -> Floats:
        return np.asarray(booster.predict(x, pred_contrib=True, num_threads=1), np.float64)[:, :-1]
