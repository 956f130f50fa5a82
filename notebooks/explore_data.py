"""Explore a region's data: what is there, what is missing, what a day looks like, and what was known when."""

import marimo

app = marimo.App(width="medium", app_title="Explore the data")


@app.cell
def _():
    import marimo as mo

    mo.md(
        """
        # Explore the data

        This notebook reads the embedded sample of Victoria into tables of its own, in a temporary folder. For another
        region write its name into the next cell, and `Store("data")` for the tables of `make run`.
        """
    )
    return (mo,)


@app.cell
def _():
    import tempfile

    from power_nowcast.collect import write_all
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    region = load("victoria")
    folder = tempfile.TemporaryDirectory()
    store = Store(folder.name)
    summary = write_all(store, region)
    return folder, region, store, summary


@app.cell
def _(mo, region, store, summary):
    from power_nowcast.contracts import Table

    first, last = store.span(Table.POWER, region.name)
    rows = store.as_of(Table.POWER, region.name)
    mo.md(
        f"""
        {region.title}: {summary.stored:,} rows were stored, {summary.quarantined} fell out.
        Power goes from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, every {region.interval_minutes} minutes.
        """
    )
    return Table, first, last, rows


@app.cell
def _(mo, region, rows):
    import polars as pl

    zone = region.series[0]
    local = rows.filter(pl.col("series") == zone).with_columns(
        at=pl.col("valid_at").dt.convert_time_zone(region.timezone)
    )
    mo.ui.table(local.select("at", "value", "available_at", "basis", "source").tail(200))
    return local, pl, zone


@app.cell
def _(local, pl, region, zone):
    import matplotlib.pyplot as plt

    _weeks = local.filter(pl.col("at") > pl.col("at").max() - pl.duration(days=28))
    recent, _axes = plt.subplots(figsize=(9, 3))
    _axes.plot(_weeks["at"], _weeks["value"], linewidth=0.8)
    _axes.set(title=f"{zone}, the last four weeks", ylabel=region.unit)
    recent.autofmt_xdate()
    recent
    return plt, recent


@app.cell
def _(mo):
    mo.md("## A day\n\nMedian, and the half in the middle, by local hour: working days and weekends.")
    return


@app.cell
def _(local, pl, plt, region, zone):
    day = (
        local.with_columns(hour=pl.col("at").dt.hour(), weekend=pl.col("at").dt.weekday() > 5)
        .group_by("weekend", "hour")
        .agg(
            median=pl.col("value").median(),
            low=pl.col("value").quantile(0.25),
            high=pl.col("value").quantile(0.75),
        )
        .sort("weekend", "hour")
    )
    profile, _axes = plt.subplots(figsize=(9, 3))
    for (_weekend,), _part in day.group_by("weekend", maintain_order=True):
        _axes.plot(_part["hour"], _part["median"], label="weekend" if _weekend else "working day")
        _axes.fill_between(_part["hour"], _part["low"], _part["high"], alpha=0.2)
    _axes.set(title=f"A day of {zone}", xlabel="local hour", ylabel=region.unit)
    _axes.legend()
    profile
    return day, profile


@app.cell
def _(mo, region, store):
    from power_nowcast.collect import flags, gaps

    found = gaps(store, region)
    flagged = flags(store, region)
    mo.md(
        f"""
        ## What is missing, what is doubtful

        {len(found)} gaps, and {len(flagged)} flags of the quality rules (`docs/quality.md` says what they mean).
        """
    )
    return flagged, found


@app.cell
def _(Table, last, mo, pl, region, store):
    from datetime import timedelta

    # A correction of the newest value, as a publisher would send it two hours later.
    corrected = (
        store.as_of(Table.POWER, region.name)
        .filter(pl.col("valid_at") == last)
        .with_columns(value=pl.col("value") + 100, available_at=pl.lit(last + timedelta(hours=2)), basis=pl.lit("seen"))
    )
    store.append(Table.POWER, corrected.drop("first_seen_at", strict=False), now=last + timedelta(hours=2))

    def known(at):
        return store.as_of(Table.POWER, region.name, at=at).filter(pl.col("valid_at") == last)["value"].to_list()

    before, after = known(last + timedelta(hours=1)), known(last + timedelta(hours=3))
    mo.md(
        f"""
        ## What was known when

        A correction is a further row. The value of {last:%Y-%m-%d %H:%M} UTC is {before[0]:,.0f} {region.unit} for a
        nowcast that is issued an hour later, and {after[0]:,.0f} {region.unit} for one three hours later. So the
        correction changes no backtest of the time before it.
        """
    )
    return after, before


if __name__ == "__main__":
    app.run()
