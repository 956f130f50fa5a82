"""Compare two models: train both, backtest them beside the baselines, and read the result."""

import marimo

app = marimo.App(width="medium", app_title="Compare two models")


@app.cell
def _():
    import marimo as mo

    mo.md(
        """
        # Compare two models

        LightGBM against last week's ramp, on the embedded sample of Victoria. The last two weeks are the test: no
        training saw them. Each nowcast uses only what was known at its issue time.
        """
    )
    return (mo,)


@app.cell
def _():
    import tempfile

    import numpy as np

    from power_nowcast.bundle.train import examples
    from power_nowcast.collect import write_all
    from power_nowcast.contracts import Table
    from power_nowcast.features.panel import history
    from power_nowcast.features.spec import FeatureSpec
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    region = load("victoria")
    folder = tempfile.TemporaryDirectory()
    store = Store(folder.name)
    write_all(store, region)
    panel = history(store, region, *store.span(Table.POWER, region.name))
    spec = FeatureSpec.for_interval(region.interval_minutes)

    day = np.timedelta64(24 * 60, "m")
    end = panel.times[-1] - np.timedelta64(60, "m")
    test, valid, train = end - 14 * day, end - 35 * day, end - 100 * day
    known = examples(panel, region, np.arange(train, end, np.timedelta64(30, "m")), spec)
    return end, folder, known, np, panel, region, spec, test, train, valid


@app.cell
def _(known, region, spec, test, train, valid):
    from power_nowcast.bundle.train import Origin, train_bundle
    from power_nowcast.models.kinds import create

    def trained(kind, **options):
        model = create(kind, region.series, spec.knots, **options)
        reach = max(region.steps_minutes)
        parts = known.during(train, valid, reach), known.during(valid, test, reach)
        return train_bundle(region, spec, model, *parts, origin=Origin("0" * 40, "0" * 64))[0]

    ramp = trained("persistence_ramp")
    lightgbm = trained("lightgbm", n_estimators=150, learning_rate=0.1, num_leaves=15, early_stopping=20)
    persistence = trained("persistence")
    return lightgbm, persistence, ramp


@app.cell
def _(end, lightgbm, np, panel, persistence, ramp, region, test):
    from power_nowcast.evaluate import backtest
    from power_nowcast.evaluate.scorecard import scorecard

    issues = np.arange(test, end, np.timedelta64(30, "m"))
    baselines = {"persistence": persistence, "persistence_ramp": ramp}
    result = backtest.run(lightgbm, baselines, panel, region, issues, delays=())
    card = scorecard(result)
    return card, issues, result


@app.cell
def _(card, mo):
    from power_nowcast.report.words import headline

    figures = card.by_series.select(
        "series", "horizon_min", "n", "MAE", "MAPE", "MAE_persistence", "MAE_persistence_ramp", "coverage_80"
    )
    mo.vstack([mo.md(f"## The scorecard\n\n{headline(card)}"), mo.ui.table(figures)])
    return (figures,)


@app.cell
def _(mo):
    mo.md(
        """
        Read it from the left: `n` pairs of nowcast and outcome; the mean absolute error in MW and in percent; the same
        of the baselines. `coverage_80` is the share of outcomes in the 80 % band: .8 is right, more is too wide, less
        is too narrow. Two weeks are few: a coverage of .77 to .83 may be chance.
        """
    )
    return


@app.cell
def _(card, mo, result):
    from power_nowcast.report.plots import backtest_horizon, pred_vs_actual, residual_hist

    _series, _far = card.series[0], card.steps_minutes[-1]
    pictures = [
        pred_vs_actual(result, _series, _far),
        backtest_horizon(card, _series, _far),
        residual_hist(result, _series),
    ]
    mo.vstack(pictures)
    return (pictures,)


@app.cell
def _(mo, panel, region, result):
    from power_nowcast.evaluate.comparison import compare
    from power_nowcast.report.comparison import verdict

    comparison = compare(
        {"persistence_ramp": result.baselines["persistence_ramp"], "lightgbm": result.nowcasts}, panel, region
    )
    said = [verdict(comparison, "lightgbm", loss) for loss in ("absolute error", "pinball")]
    mo.md(
        f"""
        ## Is the difference significant?

        {said[0]} {said[1]}

        The test is that of Diebold and Mariano. It allows for errors that follow each other: twenty nowcasts of one
        afternoon are not twenty independent witnesses.
        """
    )
    return comparison, said


if __name__ == "__main__":
    app.run()
