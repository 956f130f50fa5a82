"""Charts of the page: SVG in the coordinates of the data, which the page's script reads for hover and zoom."""

from power_nowcast.report.charts.chart import Chart
from power_nowcast.report.charts.figures import error_by_horizon, reliability, residuals, skill_by_horizon
from power_nowcast.report.charts.overtime import days, fan
from power_nowcast.report.charts.slices import (
    coverage_by_day,
    coverage_by_hour,
    error_by_day,
    error_by_hour,
    sliced_horizons,
)

__all__ = [
    "Chart",
    "coverage_by_day",
    "coverage_by_hour",
    "days",
    "error_by_day",
    "error_by_horizon",
    "error_by_hour",
    "fan",
    "reliability",
    "residuals",
    "skill_by_horizon",
    "sliced_horizons",
]
