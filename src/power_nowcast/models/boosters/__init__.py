"""Gradient boosting: one model for each series, horizon and quantile."""
