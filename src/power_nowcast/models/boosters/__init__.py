"""Gradient boosting: one model a series, horizon and quantile."""
