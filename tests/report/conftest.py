"""The backtests that figures are reckoned from, told here."""

from tests.evaluate.conftest import backtest, card, empty_backtest, make_backtest, poor_backtest

__all__ = ["backtest", "card", "empty_backtest", "make_backtest", "poor_backtest"]
