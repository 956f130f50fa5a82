"""What fell out is shown by reason, as it was received."""

from datetime import timedelta
from pathlib import Path

from power_nowcast.collect import fell_out, write_all
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.collect.conftest import FIRST, write_day


def test_reasons_counts_and_examples(region: Region, store: Store, tmp_path: Path) -> None:
    assert fell_out(store, region) == []
    file = write_day(tmp_path, 0, s3=-5.0, s9=-6.0, s20=-7.0, s30=-8.0)
    lines = file.read_text().splitlines()
    lines[11] = "sometime,1.5,2.5"
    file.write_text("\n".join(lines))
    write_all(store, region)
    negative, unreadable = fell_out(store, region, examples=2)
    assert (negative.table, negative.reason, negative.rows) == ("power", "negative", 4)
    assert (negative.first, negative.last) == (FIRST + timedelta(minutes=90), FIRST + timedelta(minutes=900))
    assert negative.series == ("N.E.",)
    at = f"'{(FIRST + timedelta(minutes=90)).isoformat()}'"
    assert negative.examples[0] == f"'-5.0' of N.E. at {at} in day-0.csv (below 0.0)"
    assert len(negative.examples) == 2
    assert (unreadable.reason, unreadable.rows, unreadable.first) == ("unreadable stamp", 2, None)
    assert unreadable.examples[0].startswith("'1.5' of N.E. at 'sometime' in day-0.csv")
