"""Figures beside the published nowcasts: the operator's forecast as known then, and the version in the shadow."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Table
from power_nowcast.live.records import published
from power_nowcast.live.scores import SHADOW_SKILL, beside_operator, scores, shadow_skill, skill
from power_nowcast.regions.region import SourceSpec
from tests.live.test_loop import BEGIN, REGION, ROWS, World
from tests.live.test_shadow import fill
from tests.toy import toy_bundle

OFF_MW = 40.0


@pytest.fixture(scope="module")
def bundles() -> list[Bundle]:
    return [toy_bundle(REGION), toy_bundle(REGION, kind="persistence")]


@pytest.fixture
def world(tmp_path: Path, bundles: list[Bundle]) -> World:
    """A day that both versions nowcast."""
    made = World(tmp_path / "data")
    fill(made, *bundles, intervals=48)
    return made


def rows_of(world: World) -> pl.DataFrame:
    return scores(world.store, REGION, BEGIN, world.now)


def test_the_operator_is_judged_by_what_it_said_at_the_issue_time(world: World) -> None:
    region = REGION.model_copy(update={"forecast": SourceSpec(source="files")})
    said = ROWS[Table.POWER].with_columns(pl.col("value") + OFF_MW, available_at=pl.col("valid_at") - timedelta(days=1))
    # A later vintage is right, and came too late for every issue time but the last hour's.
    mended = ROWS[Table.POWER].with_columns(available_at=pl.col("valid_at") + timedelta(minutes=1))
    for rows in (said, mended):
        world.store.append(Table.FORECAST, rows.filter(pl.col("valid_at") > BEGIN - timedelta(days=1)), now=world.now)
    found = skill(beside_operator(world.store, region, rows_of(world)))
    assert found.filter(series="N.E.")["operator_mae_mw"].to_list() == pytest.approx([OFF_MW, OFF_MW], rel=1e-5)
    assert found.drop("operator_mae_mw").equals(skill(rows_of(world)).drop("operator_mae_mw"))


def test_a_region_without_a_forecast_has_no_figure_of_it(world: World) -> None:
    rows = beside_operator(world.store, REGION, rows_of(world))
    assert rows["operator_mw"].null_count() == len(rows) > 0
    assert skill(rows)["operator_mae_mw"].null_count() == 6
    assert beside_operator(world.store, REGION, rows.clear().drop("operator_mw")).is_empty()


def test_the_shadow_is_judged_by_the_same_moments(world: World, bundles: list[Bundle]) -> None:
    rows = rows_of(world)
    found = shadow_skill(world.store, REGION, rows)
    assert found.schema == SHADOW_SKILL
    assert len(found) == 3 * 2
    (one,) = found.filter(series="ALL", horizon_min=60).to_dicts()
    known = rows.filter(pl.col("first_mw").is_not_null(), series="ALL", horizon_min=60)
    assert one["n"] == len(known)
    assert one["answered_mae_mw"] == pytest.approx(known["error_mw"].abs().mean())
    assert one["answered_coverage_80"] == pytest.approx(known["is_inside_80"].mean())
    made = published(world.store, "toy", BEGIN, world.now, digest=bundles[1].digest, is_shadow=True)
    inside, errors = list[bool](), list[float]()
    for each in made:
        truth = known.filter(issue_time=each.issue_time)["first_mw"].to_list()
        low, middle, high = (
            each.nowcast.values[0, 1, each.nowcast.quantiles.index(level)] for level in (0.1, 0.5, 0.9)
        )
        inside += [low <= value <= high for value in truth]
        errors += [abs(middle - value) for value in truth]
    assert one["mae_mw"] == pytest.approx(sum(errors) / len(errors))
    assert one["mae_mw"] > one["answered_mae_mw"], "the version in the shadow is persistence"
    assert one["coverage_80"] == pytest.approx(sum(inside) / len(inside))


def test_nothing_in_the_shadow_is_no_row(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    assert shadow_skill(other.store, REGION, rows_of(other)).is_empty()
    assert shadow_skill(other.store, REGION, rows_of(world)).is_empty()
