"""encoding: inputs of a network are standardised features, the same for one issue time as for many."""

from dataclasses import replace

import numpy as np
import pytest

from power_nowcast.bundle.train import examples
from power_nowcast.contracts import FeatureBlock
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.networks.encoding import CODES, HARMONICS, LIMIT, Encoder, Stack
from tests.toy import toy_panel, toy_region


@pytest.fixture(scope="module")
def block() -> FeatureBlock:
    region = toy_region()
    panel = toy_panel(region)
    return examples(panel, region, panel.times[44 * 48 :], FeatureSpec.for_interval(30)).block


def test_inputs_are_standardised_and_known(block: FeatureBlock) -> None:
    x = Encoder.of(block).encode(block)
    assert x.dtype == np.float32
    assert np.isfinite(x).all()
    assert np.abs(x).max() <= LIMIT
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=0.1)
    assert ((np.abs(x.std(axis=0) - 1) < 0.2) | (x.std(axis=0) == 0)).all()


def test_what_all_series_share_is_there_once(block: FeatureBlock) -> None:
    encoder = Encoder.of(block)
    shared = {encoder.names[n] for n in encoder.shared}
    assert {"minute_of_day", "weekday", "day_type", "KTOY.temperature_c_now"} <= shared
    assert "ramp_30m" not in shared
    assert not any(encoder.names[n].endswith("]") for n in (*encoder.own, *encoder.shared)), "neighbours stand beside"
    plain = len(shared - {"minute_of_day", *CODES})
    codes = sum(len(values) for values in CODES.values())
    assert encoder.inputs == len(encoder.own) * len(block.series) + plain + codes + 4 * HARMONICS


def test_families_can_be_left_out(block: FeatureBlock) -> None:
    whole, lean = Encoder.of(block), Encoder.of(block, ("range of past hours",))
    left_out = {whole.names[n] for n in {*whole.own, *whole.shared} - {*lean.own, *lean.shared}}
    assert left_out == {name for name in block.names if name.startswith("range_")} != set()
    assert Encoder.from_json(lean.to_json()).encode(block).shape == (len(block.issue_times), lean.inputs)


def test_one_issue_time_alone_has_the_same_inputs(block: FeatureBlock) -> None:
    encoder = Encoder.of(block)
    whole = encoder.encode(block)
    for n in (0, 17, len(whole) - 1):
        np.testing.assert_array_equal(encoder.encode(block.take(np.array([n]))), whole[[n]])


def test_a_stack_encodes_each_series_as_its_own_encoder_does(block: FeatureBlock) -> None:
    x, origin = block.x.copy(), block.origin_mw.copy()
    x[3, 1], origin[3, 1] = np.nan, np.nan  # one series has no origin
    gap = replace(block, x=x, origin_mw=origin)
    encoders = [Encoder.of(block.only((name,))) for name in block.series]
    assert len({Stack.layout(one) for one in encoders}) == 1
    assert len({one.own for one in encoders}) > 1, "the series read different columns"
    inputs = Stack(encoders).encode(gap.x)
    for s, (name, encoder) in enumerate(zip(block.series, encoders, strict=True)):
        np.testing.assert_array_equal(inputs[s], encoder.encode(gap.only((name,))))
    assert (inputs[1, 3] == 0).all()


def test_encoders_of_other_features_have_another_layout(block: FeatureBlock) -> None:
    one = block.only(block.series[:1])
    assert Stack.layout(Encoder.of(one)) != Stack.layout(Encoder.of(one, ("range of past hours",)))


def test_an_unknown_series_is_the_mean(block: FeatureBlock) -> None:
    encoder = Encoder.of(block)
    x, origin = block.x.copy(), block.origin_mw.copy()
    x[:, 0], origin[:, 0] = np.nan, np.nan
    without = FeatureBlock(
        block.issue_times, block.series, block.names, block.horizons, x, origin, block.age_minutes, block.scale_mw
    )
    inputs, own = encoder.encode(without), len(encoder.own)
    assert (inputs[:, :own] == 0).all()
    np.testing.assert_array_equal(inputs[:, own:], encoder.encode(block)[:, own:])


def test_places_find_recent_ramps_and_what_is_known_ahead(block: FeatureBlock) -> None:
    encoder, knots = Encoder.of(block), FeatureSpec.for_interval(30).knots
    places, names = encoder.places(knots), [encoder.names[n] for n in encoder.own]
    assert [names[k] for k in places.past] == [f"ramp_{span}m" for span in places.spans]
    assert places.spans == FeatureSpec.for_interval(30).lags
    assert [names[row[0]] for row in places.future] == [f"day1_ramp_h{knot}" for knot in knots]
    ahead = {k for row in places.future for k in row}
    assert ahead.isdisjoint(places.present)
    assert len(ahead) + len(places.present) == places.own
    x = encoder.encode(block)[:, : places.series * places.own].reshape(-1, places.series, places.own)
    raw = x[..., places.past] * places.past_spread + places.past_mean
    known = block.x[..., [block.names.index(f"ramp_{span}m") for span in places.spans]]
    inside = np.abs(x[..., places.past]) < LIMIT
    np.testing.assert_allclose(raw[inside], known[inside], rtol=1e-3, atol=0.1)


def test_json_gives_the_same_encoder(block: FeatureBlock) -> None:
    encoder = Encoder.of(block)
    again = Encoder.from_json(encoder.to_json())
    np.testing.assert_array_equal(again.encode(block), encoder.encode(block))
