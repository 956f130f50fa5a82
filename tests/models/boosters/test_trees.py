"""trees: whatever LightGBM has learnt, the compiled walk gives the library's own answers."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from power_nowcast.errors import ModelError
from power_nowcast.models.boosters.trees import Trees


def trained(
    x: NDArray[np.floating], y: NDArray[np.float64], categories: list[int] | str = "auto", **params: object
) -> lightgbm.Booster:
    data = lightgbm.Dataset(x, y, categorical_feature=categories)
    return lightgbm.train({"verbosity": -1, "num_threads": 1, **params}, data, 12)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(2, 31) | st.just(200), st.sampled_from([0.0, 0.3]), st.sampled_from([1, 400])
)
def test_answers_are_the_librarys(seed: int, leaves: int, holes: float, least: int) -> None:
    chance = np.random.default_rng(seed)
    x = chance.normal(size=(300, 4)).astype(np.float32)
    # Thresholds lie between values; with values side by side in single precision they hardly do.
    x[:, 3] = 1 + chance.integers(0, 9, 300) * np.finfo(np.float32).eps
    x[chance.random(x.shape) < 0.2] = 0
    x[chance.random(x.shape) < holes] = np.nan
    y = np.nan_to_num(x[:, 0]) * 3 + np.isnan(x[:, 1]) + chance.normal(size=300)
    # With more rows a leaf than there are, trees have no split at all.
    booster = trained(x, y, num_leaves=leaves, min_data_in_leaf=least, objective="huber")
    asked = np.concatenate([x, np.full((1, 4), np.nan, np.float32), np.zeros((1, 4), np.float32)])
    trees = Trees.of(booster.model_to_string())
    np.testing.assert_array_equal(trees.predict(asked), booster.predict(asked, num_threads=1))
    one_by_one = np.concatenate([trees.predict(asked[[row]]) for row in range(len(asked))])
    np.testing.assert_array_equal(one_by_one, trees.predict(asked))


@pytest.mark.parametrize("params", [{"linear_tree": True}, {"categories": [1]}, {"zero_as_missing": True}])
def test_what_it_cannot_walk_is_refused(params: dict) -> None:
    chance = np.random.default_rng(1)
    x = chance.normal(size=(400, 2))
    x[:, 1] = chance.integers(0, 4, 400)
    y = x[:, 0] + np.array([3.0, -2.0, 5.0, 0.0])[x[:, 1].astype(int)]
    booster = trained(x, y, **params)
    with pytest.raises(ModelError, match="category, zeros"):
        Trees.of(booster.model_to_string())


def whole() -> str:
    chance = np.random.default_rng(2)
    x = chance.normal(size=(300, 3))
    return trained(x, x[:, 0] + x[:, 1] ** 2, num_leaves=7).model_to_string()


def put(text: str, name: str, place: int, value: object) -> str:
    """The text with one number of the first tree's line `name` exchanged."""
    line = next(one for one in text.splitlines() if one.startswith(f"{name}="))
    numbers = line.partition("=")[2].split()
    numbers[place] = str(value)
    return text.replace(line, f"{name}={' '.join(numbers)}", 1)


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        ("left_child", 0, 6, "outside of it or lead back"),
        ("right_child", 0, 99, "outside of it or lead back"),
        ("left_child", 0, -8, "outside of it or lead back"),
        ("right_child", 1, 0, "outside of it or lead back"),
        ("left_child", 2, 2, "outside of it or lead back"),
        ("split_feature", 0, 3, "a feature that there is not"),
        ("split_feature", 0, -1, "a feature that there is not"),
        ("threshold", 0, "nan", "no finite number"),
        ("leaf_value", 3, "nan", "no finite number"),
        ("leaf_value", 3, "inf", "no finite number"),
        ("leaf_value", 3, "", "not whole"),
        ("num_leaves", 0, 8, "not whole"),
        ("num_leaves", 0, 0, "not whole"),
        ("leaf_value", 3, "x", "not every number in it can be read"),
        ("max_feature_idx", 0, 40_000, "a feature that there is not"),
    ],
)
def test_trees_that_no_training_grows_are_refused(name: str, place: int, value: object, said: str) -> None:
    text = whole()
    Trees.of(text)
    with pytest.raises(ModelError, match=said):
        Trees.of(put(text, name, place, value))


def test_a_text_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ModelError, match="cut off"):
        Trees.of(whole()[:900])


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ModelError, match="has 3 features, not 2"):
        Trees.of(whole()).predict(np.zeros((1, 2), np.float32))
