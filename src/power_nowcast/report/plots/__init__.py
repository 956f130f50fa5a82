"""Plots of a backtest as matplotlib figures; `save_all` writes the plots of the report."""

from power_nowcast.report.plots.accuracy import (
    error_heatmap,
    reliability,
    residual_hist,
    skill_by_horizon,
)
from power_nowcast.report.plots.explain import feature_importance, rests_on, shap
from power_nowcast.report.plots.overtime import backtest_horizon, nowcast_fan, pred_vs_actual
from power_nowcast.report.plots.save import Explanation, Plot, explanation_plots, plots, save_all
from power_nowcast.report.plots.tuning import study_plot
from power_nowcast.report.plots.waterfall import waterfall

__all__ = [
    "Explanation",
    "Plot",
    "backtest_horizon",
    "error_heatmap",
    "explanation_plots",
    "feature_importance",
    "nowcast_fan",
    "plots",
    "pred_vs_actual",
    "reliability",
    "residual_hist",
    "rests_on",
    "save_all",
    "shap",
    "skill_by_horizon",
    "study_plot",
    "waterfall",
]
