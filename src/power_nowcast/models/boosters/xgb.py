"""XGBoost, saved as UBJSON."""

from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from pydantic_core import from_json

from power_nowcast.contracts import Floats
from power_nowcast.models.boosters.base import BoostedModel
from power_nowcast.models.boosters.config import BoostingConfig
from power_nowcast.models.boosters.series import Fitted
from power_nowcast.models.boosters.trees import no_trees

LEAF = -1
"""The library's value for the children of a leaf."""


class XGBoost(BoostedModel):
    """Ramp boosters of XGBoost, pseudo-Huber loss, histograms."""

    kind = "xgboost"
    suffix = "ubj"
    libraries = ("xgboost",)

    @staticmethod
    def bins(config: BoostingConfig, x: NDArray[np.float32], like: Any) -> Any:
        # No bins on hold-out time: with missing values the library needs four times the time for binned rows, for
        # equal leaves.
        if like is not None:
            return xgboost.DMatrix(x, nthread=1)
        return xgboost.QuantileDMatrix(x, max_bin=config.max_bin, nthread=1)

    @staticmethod
    def fit_one(
        config: BoostingConfig,
        table: Any,
        y: Floats,
        valid: tuple[Any, Floats] | None,
        rounds: int | None,
        level: float | None,
    ) -> Fitted:
        # Pseudo-Huber loss changes its slope gradually: it needs twice the slope for the same effect.
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
        train = _labelled(table, y)
        sets: list[tuple[xgboost.DMatrix, str]] = [(train, "train")]
        if valid is not None:
            sets.append((_labelled(*valid), "valid"))
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
        try:
            booster.load_model(bytearray(payload))
            told = from_json(bytes(booster.save_raw("json")))["learner"]
        except (xgboost.core.XGBoostError, ValueError, KeyError) as error:
            raise no_trees("xgboost", "its file cannot be read") from error
        # The library does not check children: an invalid child leads out of its arrays or into an endless loop.
        for tree in told["gradient_booster"]["model"]["trees"]:
            _check_tree(tree, booster.num_features())
        if not np.isfinite(float(told["learner_model_param"]["base_score"].strip("[]"))):
            raise no_trees("xgboost", "its base is no finite number")
        return booster

    @staticmethod
    def features(booster: Any) -> int:
        return int(booster.num_features())

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


def _labelled(table: xgboost.DMatrix, y: Floats) -> xgboost.DMatrix:
    known = np.isfinite(y)
    table.set_label(np.where(known, y, 0.0))
    table.set_weight(known.astype(np.float32))
    return table


def _check_tree(tree: dict[str, Any], features: int) -> None:
    """Raise unless every walk from the root of a tree, in the library's JSON form, ends at a leaf."""
    left, right, feature = (np.array(tree[name]) for name in ("left_children", "right_children", "split_indices"))
    split, own = left != LEAF, np.arange(len(left))
    if not len(left) or ((right != LEAF) != split).any():
        raise no_trees("xgboost", "its trees are not whole")
    for child in (left, right):
        if not ((child > own) & (child < len(own)))[split].all():
            raise no_trees("xgboost", "children of a tree lie outside of it or lead back")
    if ((feature < 0) | (feature >= features))[split].any() or np.any(tree["split_type"]):
        raise no_trees("xgboost", "a tree splits by a feature that there is not, or by categories")
    if not np.isfinite(np.array(tree["split_conditions"], np.float64)).all():
        raise no_trees("xgboost", "a threshold or a leaf is no finite number")
