"""A demo of operations: a nowcast, late data, a source that is down, and a swap of the version."""

import marimo

app = marimo.App(width="medium", app_title="Operations")


@app.cell
def _():
    import marimo as mo

    mo.md(
        """
        # Operations

        What an operator sees when all is well, when something is missing, and when a new version takes over. All of it
        happens in this process, on the embedded sample of Victoria. `make demo-live` and `make demo-swap` show the same
        with a real service.
        """
    )
    return (mo,)


@app.cell
def _():
    import tempfile
    from pathlib import Path

    import numpy as np

    from power_nowcast.bundle.train import Origin, examples, train_bundle
    from power_nowcast.collect import write_all
    from power_nowcast.contracts import Table
    from power_nowcast.features.panel import history
    from power_nowcast.features.spec import FeatureSpec
    from power_nowcast.models.kinds import create
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    region = load("victoria")
    folder = tempfile.TemporaryDirectory()
    store = Store(f"{folder.name}/data")
    write_all(store, region)
    first, last = store.span(Table.POWER, region.name)
    panel = history(store, region, first, last)
    spec = FeatureSpec.for_interval(region.interval_minutes)
    day = np.timedelta64(24 * 60, "m")
    end = panel.times[-1] - 2 * day
    known = examples(panel, region, np.arange(end - 70 * day, end, np.timedelta64(60, "m")), spec)

    def trained(kind, **options):
        """A version of a model on the disk: its folder and its digest."""
        model = create(kind, region.series, spec.knots, **options)
        parts = known.during(end - 70 * day, end - 21 * day, 60), known.during(end - 21 * day, end, 60)
        bundle = train_bundle(region, spec, model, *parts, origin=Origin("0" * 40, "0" * 64))[0]
        place = Path(folder.name) / kind
        bundle.save(place)
        return place, bundle.digest

    versions = {
        "1": trained("persistence_ramp"),
        "2": trained("lightgbm", n_estimators=100, learning_rate=0.1, num_leaves=15),
    }
    return Path, Table, folder, last, np, region, store, versions


@app.cell
def _(Path, folder, region, versions):
    from power_nowcast.live.slot import Fetched, ModelSlot

    production = {"version": "1"}

    def fetch():
        """What the registry's alias `production` would give."""
        place, digest = versions[production["version"]]
        return Fetched(place, production["version"], digest)

    slot = ModelSlot(region, fetch, Path(folder.name) / "cache")
    slot.load()
    return production, slot


@app.cell
def _(mo):
    mo.md("## All is well, and something is missing\n\nThe same issue time, with more and more missing.")
    return


@app.cell
def _(Table, last, mo, np, region, slot, store):
    from datetime import timedelta

    import polars as pl

    from power_nowcast.contracts.times import minute
    from power_nowcast.features.panel import window

    issue = minute(last)

    def answer(what, panel):
        told = slot.current.nowcaster.nowcast(panel, issue)
        median, low, high = (told.values[0, -1, told.quantiles.index(level)] for level in (0.5, 0.1, 0.9))
        return {
            "what": what,
            "rung": told.rungs[0].value,
            "quality": told.quality[0].value,
            "age, minutes": float(told.age_minutes[0]),
            f"in an hour, {region.unit}": round(float(median)),
            "80 % band": f"{low:,.0f} to {high:,.0f}",
            "width": round(float(high - low)),
        }

    def late(hours):
        """What would be known if load came later: the window of an earlier moment."""
        return window(store, region, last - timedelta(hours=hours))

    answers = pl.DataFrame(
        [
            answer("all is well", window(store, region, last)),
            answer("load half an hour late", late(0.5)),
            answer("load two hours late", late(2)),
        ]
    )
    mo.ui.table(answers)
    return answers, issue, minute, timedelta, window


@app.cell
def _(mo, production, slot):
    before = slot.current
    production["version"] = "2"
    after = slot.load()
    production["version"] = "1"
    back = slot.load()
    production["version"] = "2"
    slot.load()
    mo.md(
        f"""
        ## A swap

        Version {before.version} ({before.bundle.model.kind}, digest `{before.bundle.digest[:12]}`) answered. The alias
        moved: version {after.version} ({after.bundle.model.kind}, `{after.bundle.digest[:12]}`) was fetched, its digest
        verified, its golden rows answered, and one reference swapped. Then the alias went back, and version
        {back.version} answered again with the digest `{back.bundle.digest[:12]}`, without being read again. Now version
        2 is in production.
        """
    )
    return after, back, before


@app.cell
def _(after, issue, last, minute, mo, region, slot, store, timedelta, window):
    from power_nowcast.errors import StaleDataError

    _told = slot.current.nowcaster.nowcast(window(store, region, last), issue)
    try:
        slot.current.nowcaster.nowcast(window(store, region, last), minute(last + timedelta(hours=4)))
    except StaleDataError as error:
        refused = error
    mo.md(
        f"""
        ## No answer is better than an invented one

        Version {after.version} answers now: {_told.values[0, -1, 3]:,.0f} {region.unit} in an hour. Four hours after
        the last value it refuses: *{refused.message}* And it says what to do: *{refused.remedy}*
        """
    )
    return (refused,)


if __name__ == "__main__":
    app.run()
