import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.features.spec import FeatureSpec

INTERVALS = (5, 10, 15, 30)


@pytest.mark.parametrize(
    ("interval", "knots"),
    [
        (5, (5, 15, 30, 45, 60, 75)),
        (10, (10, 20, 30, 40, 50, 60, 75)),
        (15, (15, 30, 45, 60, 75)),
        (30, (30, 60, 90)),
    ],
)
def test_knots_cover_the_hour_and_late_data(interval: int, knots: tuple[int, ...]) -> None:
    found = FeatureSpec.for_interval(interval).knots
    assert found[0] == interval
    assert 60 in found
    assert found[-1] >= 75
    assert found == tuple(sorted(set(found)))
    if interval != 10:  # of ten minutes only the rules above are fixed
        assert found == knots


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_span_is_on_the_grid(interval: int) -> None:
    spec = FeatureSpec.for_interval(interval)
    for spans in (spec.knots, spec.lags, spec.rolling, spec.ranges, spec.neighbour_lags):
        assert spans
        assert list(spans) == sorted(set(spans))
        assert all(span > 0 and span % interval == 0 for span in spans)
    assert min(spec.rolling) > interval, "a window of one value has no spread"


def test_five_minutes_is_the_default() -> None:
    assert FeatureSpec.for_interval(5) == FeatureSpec()


spans = st.lists(st.integers(1, 300), min_size=1, max_size=5, unique=True).map(lambda found: tuple(sorted(found)))
specs = st.builds(FeatureSpec, knots=spans, lags=spans, rolling=st.just(()) | spans, days=spans, weather=st.booleans())


@given(specs)
def test_json_gives_the_same_spec(spec: FeatureSpec) -> None:
    values = spec.to_json()
    text = json.dumps(values)
    assert json.loads(text) == values, "what is written is what is read"
    back = FeatureSpec.from_json(json.loads(text))
    assert back == spec
    assert hash(back) == hash(spec)


@given(specs)
def test_history_reaches_as_far_as_the_features(spec: FeatureSpec) -> None:
    recent = max((*spec.lags, *spec.rolling))
    assert spec.history_minutes >= 1440 * max(*spec.days, spec.analog_days) + recent
    assert 7 * 1440 + recent <= spec.minimum_history_minutes


def test_changes_come_before_the_defaults() -> None:
    spec = FeatureSpec.for_interval(30, lags=(30,), knots=(30, 60), weather=False)
    assert (spec.lags, spec.knots, spec.weather) == ((30,), (30, 60), False)
    with pytest.raises(TypeError, match="colour"):
        FeatureSpec.for_interval(30, colour=1)


@pytest.mark.parametrize("interval", [5, 10, 15, 30])
def test_every_interval_has_a_default(interval: int) -> None:
    spec = FeatureSpec.for_interval(interval)
    assert all(span % interval == 0 for span in (*spec.knots, *spec.lags, *spec.rolling, *spec.neighbour_lags))
    assert spec.knots[0] == interval
    assert 60 in spec.knots
    assert spec.knots[-1] > 60
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert spec.history_minutes > spec.minimum_history_minutes


def test_history_is_long_enough_for_the_sample_window() -> None:
    assert timedelta(minutes=FeatureSpec().history_minutes) < timedelta(days=44)
