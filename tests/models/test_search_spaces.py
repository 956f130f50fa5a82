"""search spaces: every parameter is one of its kind's options, and holds the default."""

import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.jobs.run import RUN_MODELS
from power_nowcast.models.kinds import ALIASES, BASELINES, KINDS, create
from power_nowcast.models.search_spaces import DEFAULTS, SPACES, Choice, check_options, space_of, with_defaults


@pytest.mark.parametrize("kind", [kind for kind in SPACES if kind in KINDS])
def test_the_defaults_lie_within_the_bounds(kind: str) -> None:
    if kind not in ("lightgbm", "xgboost"):
        pytest.importorskip("torch", reason="the extra neural is not installed")
    defaults = create(kind, ("A",), (30,), **with_defaults(kind, {})).configuration
    for name, one in SPACES[kind].items():
        if isinstance(one, Choice):
            assert defaults[name] in one.values
        else:
            assert one.low <= defaults[name] <= one.high
            assert isinstance(defaults[name], type(one.low))


@pytest.mark.parametrize("kind", [*BASELINES, "ensemble", "oracle"])
def test_a_kind_without_one_names_those_that_have_one(kind: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no options to tune.*lightgbm") as caught:
        space_of(kind)
    assert caught.value.fields == {"kind": kind}


def test_short_names_are_the_same() -> None:
    assert all(space_of(short) is SPACES[name] for short, name in ALIASES.items())


def test_unknown_options_are_refused_where_they_are_known() -> None:
    check_options("ensemble", {}, {"members": ()})
    with pytest.raises(ConfigurationError, match="no option a, c") as caught:
        check_options("lightgbm", {"b": 1}, {"c": 1, "a": 1, "b": 2})
    assert caught.value.fields["names"] == ["a", "c"]


def test_commands_train_with_one_set_of_options_a_kind() -> None:
    for kind, options in DEFAULTS.items():
        made = create(kind, ("A",), (30,), **with_defaults(kind, {}))
        assert {name: made.configuration[name] for name in options} == options
        assert set(RUN_MODELS) == set(DEFAULTS)
        assert RUN_MODELS[kind] == {}, "the main job has no options of its own"
    assert with_defaults("lgbm", {"num_leaves": 7, "seed": None}) == {**DEFAULTS["lightgbm"], "num_leaves": 7}
    assert with_defaults("mlp", {"epochs": 3}) == {"epochs": 3}
