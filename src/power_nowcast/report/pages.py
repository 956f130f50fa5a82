"""One self-contained HTML file for managers: figures, plots and limits. It needs no network."""

import base64
import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from power_nowcast import __version__
from power_nowcast.contracts import Manifest
from power_nowcast.errors import ConfigurationError
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report.cells import every_series_cells, importance_cells, manifest_cells
from power_nowcast.report.plots import Explanation, Plot, explanation_plots, plots
from power_nowcast.report.series import view
from power_nowcast.report.words import limits

MOST_SERIES = 24
"""Series with sections of their own: more would make a page of many megabytes."""
PICTURES = ("feature_importance", "shap")
"""Plots that the page shows as they are; it draws its other charts itself."""


@dataclass(frozen=True)
class Picture:
    """An inlined PNG."""

    name: str
    alt: str
    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Provenance:
    """The provenance of the figures.

    `identity` describes the model by label: version, digest, git SHA, calibration and so on. `manifests` describe the
    tables of the data. `further_limits` are sentences about limits that the tables do not show.
    """

    identity: Mapping[str, str] = field(default_factory=dict)
    manifests: Sequence[Manifest] = ()
    further_limits: Sequence[str] = ()


def write_report(
    path: Path,
    backtest: Backtest,
    card: Scorecard,
    *,
    now: datetime,
    explanation: Explanation | None = None,
    provenance: Provenance | None = None,
    drawn: Iterable[Plot] | None = None,
) -> Path:
    """Write the report; returns its path.

    Args:
        path: the HTML file; its folder is created.
        backtest: the scored backtest.
        card: its scorecard.
        now: time of the report, UTC.
        explanation: the explanation of the model.
        provenance: model and data.
        drawn: existing plots of the explanation; by default they are drawn now.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    found = explanation_plots(explanation) if drawn is None and explanation else drawn or ()
    pictures = {plot.name: picture(plot) for plot in found if plot.name in PICTURES}
    page = render(backtest, card, pictures, now=now, explanation=explanation, provenance=provenance)
    return write_page(path, page)


def write_evaluation(
    folder: Path,
    backtest: Backtest,
    card: Scorecard,
    *,
    now: datetime,
    explanation: Explanation | None = None,
    provenance: Provenance | None = None,
) -> Path:
    """Write report, plots, predictions and tables of a backtest into `folder`; returns the path of the report."""
    drawn = list(plots(backtest, card, explanation=explanation))
    report = write_report(
        folder / "report.html", backtest, card, now=now, explanation=explanation, provenance=provenance, drawn=drawn
    )
    for plot in drawn:
        (folder / f"{plot.name}.png").write_bytes(plot.png())
    backtest.write_predictions(folder / "predictions.parquet")
    card.write(folder / "tables")
    return report


def write_page(path: Path, page: str) -> Path:
    """Write HTML to `path` and create its folder; returns the path.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The report cannot be written to {path}: {error.strerror}.",
            remedy="Set NOWCAST_REPORTS to a folder that can be written.",
            path=str(path),
        ) from error
    return path


def template(name: str) -> Template:
    """The template of a page. In it, an undefined name raises an error."""
    environment = Environment(
        loader=PackageLoader("power_nowcast", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(name)


def page_script() -> tuple[str, str]:
    """The script of a page with charts, and its hash for the page's `Content-Security-Policy`."""
    script = (resources.files("power_nowcast.report") / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return script, f"sha256-{digest}"


def render(
    backtest: Backtest,
    card: Scorecard,
    pictures: Mapping[str, Picture],
    *,
    now: datetime,
    explanation: Explanation | None = None,
    provenance: Provenance | None = None,
) -> str:
    """The report's HTML."""
    origin = provenance or Provenance()
    script, script_hash = page_script()
    return template("pages.html.j2").render(
        card=card,
        now=now,
        package_version=__version__,
        script=script,
        script_hash=script_hash,
        views=[view(backtest, card, series) for series in card.series[:MOST_SERIES]],
        left_out=len(card.series) > MOST_SERIES,
        pictures=pictures,
        every_series=every_series_cells(card),
        importance=importance_cells(explanation) if explanation else None,
        manifests=manifest_cells(origin.manifests),
        identity=origin.identity,
        limits=[*limits(card), *origin.further_limits],
    )


def picture(plot: Plot) -> Picture:
    """The plot as an inline picture with its size."""
    data = plot.png()
    # The size is in the PNG's first chunk. With it a browser reserves the space before it decodes the picture.
    width, height = struct.unpack(">II", data[16:24])
    return Picture(plot.name, plot.alt, f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height)
