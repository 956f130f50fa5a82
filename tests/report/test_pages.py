"""report: one file without any reference outside of it, holding the figures of the scorecard."""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.contracts import Manifest
from power_nowcast.errors import ConfigurationError
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard, scorecard
from power_nowcast.report import pages, plots
from power_nowcast.report.pages import Provenance, render, write_report
from power_nowcast.report.plots import Explanation, Plot
from power_nowcast.report.words import headline

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Tags with their attributes, and whether every one is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, Mapping[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[Mapping[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def text(backtest: Backtest, card: Scorecard, tmp_path_factory: pytest.TempPathFactory) -> str:
    origin = Provenance(
        identity={"Model": "power-nowcast", "Version": "7", "Digest": "9f" * 32},
        manifests=[Manifest("power", 12, 1_234_567, "2019-02-01T00:05Z", "2019-06-30T23:55Z", "ab" * 32)],
        further_limits=["Trained on <one> spring & summer."],
    )
    drawn = [
        Plot("feature_importance", plots.feature_importance({"ramp": 2.0, "level": 1.0}), "Bars of two features."),
        Plot("pred_vs_actual", plots.pred_vs_actual(backtest, "NYCA", 60, days=1), "A plot for files only."),
    ]
    known = Explanation({"ramp_h60": 3.0, "sun_change_h60": 1.0}, rests_on={"recent hours": np.array([0.2, 0.4])})
    path = tmp_path_factory.mktemp("reports") / "deep" / "report.html"
    assert write_report(path, backtest, card, now=NOW, explanation=known, provenance=origin, drawn=drawn) == path
    return path.read_text(encoding="utf-8")


def test_the_page_refers_to_nothing_outside(text: str) -> None:
    page = Page(text)

    addresses = [
        value or ""
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data")
    ]
    assert addresses
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in addresses)
    assert "http" not in text.replace("http-equiv", "")
    assert "url(" not in text
    assert "@import" not in text


def test_only_the_script_of_the_page_may_run(text: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (policy,) = [meta["content"] or "" for meta in Page(text).all("meta") if "http-equiv" in meta]

    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r" on[a-z]+=", text.replace(script, ""))


def test_images_are_whole_pngs_with_words_and_size(text: str) -> None:
    images = Page(text).all("img")

    assert [image["alt"] for image in images] == ["Bars of two features."]
    for image in images:
        data = base64.b64decode((image["src"] or "").partition(",")[2], validate=True)
        assert data.startswith(b"\x89PNG")
        assert data.endswith(b"IEND\xaeB`\x82")
        assert (int(image["width"] or 0), int(image["height"] or 0)) > (300, 200)


def test_the_headline_and_the_figures_are_those_of_the_scorecard(text: str, card: Scorecard) -> None:
    words = " ".join(Page(text).words)

    assert headline(card, "NYCA") in words
    for horizon in card.steps_minutes:
        assert f"{card.row('NYCA', horizon)['MAPE']:.3f} %" in words
    worst = card.worst_days.row(0, named=True)
    assert str(worst["date"]) in words
    change = card.delays.filter(card.delays["delay_min"] == 10).row(0, named=True)["MAE_change"]
    assert f"+{change:,.1f} %" in words


def test_every_series_has_its_sections(text: str, card: Scorecard) -> None:
    page = Page(text)
    words = " ".join(page.words)

    assert headline(card, "NORTH") in words
    assert f"{card.row('NORTH', 60)['MAPE']:.3f} %" in words
    assert [("open" in one, one["data-suffix"]) for one in page.all("details")] == [(True, ""), (False, "-2")]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    places = [link["data-part"] for link in page.all("a") if "data-part" in link]
    assert {f"{place}{suffix}" for place in places for suffix in ("", "-2")} <= set(ids)


def test_many_series_have_a_table_only_and_the_page_says_so(
    backtest: Backtest, card: Scorecard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_SERIES", 1)

    page = Page(render(backtest, card, {}, now=NOW))

    assert len(page.all("details")) == 1
    assert "show the first 1 of 2 series" in " ".join(page.words)


def test_the_two_kinds_of_importance_are_explained(text: str, backtest: Backtest, card: Scorecard) -> None:
    words = " ".join(Page(text).words)

    for said in ("Permutation importance", "Gain", "recent hours", "sun and season", "0.3000", "75.0 %", "25.0 %"):
        assert said in words
    assert "Permutation importance" not in render(backtest, card, {}, now=NOW)


def test_charts_hold_the_data_that_the_script_reads(text: str) -> None:
    page = Page(text)

    figures = [figure for figure in page.all("figure") if figure.get("class") == "chart"]
    assert len(figures) == 2 * 16
    over_time = [figure for figure in figures if "data-start" in figure]
    assert len(over_time) == 2 * 7
    assert {figure["data-zone"] for figure in over_time} == {"America/New_York"}
    assert all(figure.get("data-labels") for figure in figures if "data-start" not in figure)
    assert len([path for path in page.all("path") if path.get("data-name") == "nowcast" and path["d"]]) == 2 * 7
    assert all(picture["aria-label"] for picture in page.all("svg"))


def test_model_and_data_are_named(text: str) -> None:
    words = " ".join(Page(text).words)

    assert "9f" * 32 in words
    assert "1,234,567" in words
    assert "ab" * 8 in words
    assert "Made 02 Jan 2026 03:04 UTC" in words


def test_text_is_escaped(text: str) -> None:
    assert "Trained on &lt;one&gt; spring &amp; summer." in text


def test_tables_have_captions_and_headers(text: str) -> None:
    page = Page(text)

    assert len(page.all("table")) == len(page.all("caption")) >= 6
    assert all(header.get("scope") in ("col", "row") for header in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_links_inside_the_page_arrive(text: str) -> None:
    page = Page(text)

    ids = {attributes.get("id") for _, attributes in page.tags}
    assert {(link["href"] or "")[1:] for link in page.all("a")} <= ids


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_in_light_and_dark(text: str) -> None:
    themes = re.findall(r":root \{([^}]*)\}", text)
    assert len(themes) == 3  # light, dark, print
    for theme in themes:
        colours = {
            name: code if len(code) == 7 else "#" + "".join(c * 2 for c in code[1:])
            for name, code in re.findall(r"--(\w+): (#[0-9a-f]{3,6})", theme)
        }
        for ink in ("ink", "soft", "accent"):
            for paper in ("paper", "ground", "stripe"):
                low, high = sorted(_luminance(colours[name]) for name in (ink, paper))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, paper, theme)


@pytest.mark.parametrize("which", ["poor_backtest", "empty_backtest"])
def test_poor_data_make_a_page_all_the_same(which: str, request: pytest.FixtureRequest) -> None:
    one: Backtest = request.getfixturevalue(which)
    card = scorecard(one)

    text = render(one, card, {}, now=NOW)
    words = " ".join(Page(text).words)
    assert all(headline(card, series) in words for series in card.series)
    script = re.findall(r"<script>.*?</script>", text, re.DOTALL)[0]
    assert not re.search(r"\b(nan|None|inf)\b", text.replace(script, "").replace("'none'", ""))


def test_a_path_that_cannot_be_written_is_a_clear_error(backtest: Backtest, card: Scorecard, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="NOWCAST_REPORTS"):
        write_report(tmp_path / "file" / "report.html", backtest, card, now=NOW, drawn=[])
