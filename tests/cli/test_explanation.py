"""The words and the drawing of an explained nowcast, in the unit and with the digits of its region."""

import re

import pytest
from matplotlib.axes import Axes

from power_nowcast.cli import base, explanation
from power_nowcast.jobs import explain
from power_nowcast.jobs.explain import Explained, Part, Situation

FEEDER = Explained(
    region="feeder",
    series="Leistung",
    issue_time="2024-11-05T12:00Z",
    horizon_minutes=60,
    age_minutes=0.0,
    kind="lightgbm",
    digest="0" * 64,
    method="TreeSHAP",
    compared_with="the average of training",
    persistence_mw=0.2913,
    median_mw=0.2843,
    low_80_mw=0.2791,
    high_80_mw=0.2902,
    outcome_mw=0.2861,
    parts=(Part(explain.BASE, -0.0012), Part("recent ramps", -0.00581), Part("calendar", 0.00001)),
    similar=(Situation("2024-10-05T12:00Z", 1.0, -0.0041),),
)
"""A feeder of 300 kW: in megawatts its figures would be 0.3, 0.3 and 0.0."""


def test_a_feeder_is_explained_in_its_unit_with_its_digits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(base.console, "width", 100)
    explanation.show_one(FEEDER, "kW")
    text = capsys.readouterr().out.replace("\N{MINUS SIGN}", "-")
    assert re.search(r"last known value +291\.3 ", text)
    assert re.search(r"recent ramps +-5\.8 ", text)
    assert re.search(r"nowcast +284\.3 .*80 % within 279 to 290", text)
    assert re.search(r"what came +286\.1 .*\+1\.8 from the nowcast", text)
    assert "-4 kW in the same time" in text
    assert "MW" not in text


def test_its_drawing_has_figures_and_an_axis_in_its_unit() -> None:
    figure = explain.drawn(FEEDER, "kW")
    (axes,) = (one for one in figure.axes if isinstance(one, Axes))
    figure.canvas.draw()
    texts = [text.get_text() for text in (*axes.texts, *axes.get_xticklabels())]
    assert axes.get_xlabel() == "kW"
    assert {"291 kW", "284 kW", "\N{MINUS SIGN}5.8", "\N{MINUS SIGN}1.2"} <= set(texts)
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert len(set(ticks)) == len(ticks) >= 3, "no two labels of an axis are equal"
    assert all(270 < float(tick) < 300 for tick in ticks)
