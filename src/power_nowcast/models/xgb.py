"""XGBoost, kept in UBJSON."""

from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from power_nowcast.contracts import Floats
from power_nowcast.models.boosting import BoostedModel, BoostingConfig, Fitted


class XGBoost(BoostedModel):
    """Ramp boosters of XGBoost, pseudo-Huber loss, histograms."""

    kind = "xgboost"
    suffix = "ubj"
    libraries = ("xgboost",)

    @staticmethod
    def fit_one(
        config: BoostingConfig,
        x: NDArray[np.float32],
        y: Floats,
        valid: tuple[NDArray[np.float32], Floats] | None,
        rounds: int | None,
        level: float | None,
    ) -> Fitted:
        # Pseudo-Huber bends softly: it needs twice the slope for the same effect.
        huber = {"objective": "reg:pseudohubererror", "huber_slope": 2 * config.huber}
        params = {
            **(huber if level is None else {"objective": "reg:quantileerror", "quantile_alpha": level}),
            "eval_metric": "mae",
            "tree_method": "hist",
            "learning_rate": config.learning_rate,
            "max_depth": config.max_depth,
            "min_child_weight": min(config.min_child, max(1, len(y) // 20)),
            "subsample": config.subsample,
            "colsample_bytree": config.colsample,
            "reg_lambda": config.reg_lambda,
            "max_bin": config.max_bin,
            "nthread": 1,
            "seed": config.seed,
        }
        train = xgboost.QuantileDMatrix(x, y, max_bin=config.max_bin, nthread=1)
        sets = [(train, "train")]
        if valid is not None:
            sets.append((xgboost.QuantileDMatrix(*valid, ref=train, max_bin=config.max_bin, nthread=1), "valid"))
        curves: dict[str, dict[str, list[float]]] = {}
        booster = xgboost.train(
            params,
            train,
            rounds or config.n_estimators,
            evals=sets if valid is not None else [],
            evals_result=curves,
            early_stopping_rounds=config.early_stopping if valid is not None else None,
            verbose_eval=False,
        )
        best = booster.best_iteration + 1 if valid is not None else booster.num_boosted_rounds()
        payload = booster[:best].save_raw("ubj")
        return Fitted(bytes(payload), best, {part: losses["mae"] for part, losses in curves.items()})

    @staticmethod
    def open(payload: bytes) -> Any:
        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(payload))
        return booster

    @staticmethod
    def run(booster: Any, x: NDArray[np.float32]) -> Floats:
        return np.asarray(booster.inplace_predict(x), np.float64)

    @staticmethod
    def dump(booster: Any) -> bytes:
        return bytes(booster.save_raw("ubj"))

    @staticmethod
    def gains(booster: Any, features: int) -> Floats:
        gains = np.zeros(features)
        for name, gain in booster.get_score(importance_type="total_gain").items():
            gains[int(name.removeprefix("f"))] = gain
        return gains

    @staticmethod
    def contributions(booster: Any, x: NDArray[np.float32]) -> Floats:
        return np.asarray(booster.predict(xgboost.DMatrix(x, nthread=1), pred_contribs=True), np.float64)[:, :-1]
