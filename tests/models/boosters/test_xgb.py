"""xgb: boosters whose trees no training grows are refused before anything walks them."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost

from power_nowcast.errors import ModelError
from power_nowcast.models.boosters.xgb import XGBoost


@pytest.fixture(scope="module")
def grown() -> dict[str, Any]:
    x = np.random.default_rng(1).normal(size=(200, 3))
    booster = xgboost.train({"max_depth": 3, "nthread": 1}, xgboost.DMatrix(x, x[:, 0], nthread=1), 3)
    return json.loads(bytes(booster.save_raw("json")))


def opened(learner: dict[str, Any]) -> Any:
    return XGBoost.open(json.dumps(learner).encode())


def with_value(name: str, place: int, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda tree: tree[name].__setitem__(place, value)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (with_value("left_children", 0, 9999), "outside of it or lead back"),
        (with_value("right_children", 0, -5), "outside of it or lead back"),
        (with_value("left_children", 1, 0), "outside of it or lead back"),
        (with_value("left_children", 0, -1), "not whole"),
        (with_value("split_indices", 0, 3), "a feature that there is not"),
        (with_value("split_indices", 0, -2), "a feature that there is not"),
        (with_value("split_conditions", 0, float("nan")), "no finite number"),
        (with_value("split_conditions", -1, float("inf")), "no finite number"),
        (lambda tree: tree["left_children"].pop(), "cannot be read"),
    ],
)
def test_trees_that_no_training_grows_are_refused(
    grown: dict[str, Any], spoil: Callable[[dict[str, Any]], None], said: str
) -> None:
    assert XGBoost.features(opened(grown)) == 3
    spoilt = json.loads(json.dumps(grown))
    spoil(spoilt["learner"]["gradient_booster"]["model"]["trees"][1])
    with pytest.raises(ModelError, match=said):
        opened(spoilt)


def test_a_base_that_is_no_number_is_refused(grown: dict[str, Any]) -> None:
    spoilt = json.loads(json.dumps(grown))
    spoilt["learner"]["learner_model_param"]["base_score"] = "[NaN]"
    with pytest.raises(ModelError, match="base is no finite number"):
        opened(spoilt)
    with pytest.raises(ModelError, match="cannot be read"):
        XGBoost.open(b"tree")
