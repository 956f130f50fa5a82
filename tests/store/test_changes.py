"""The report of an append: what was changed, and nothing that was not."""

from power_nowcast.store.changes import AppendReport


def test_a_report_of_nothing_counts_nothing() -> None:
    assert AppendReport() == AppendReport(added=0, corrected=0, unchanged=0, repeated=0, empty=0)
    one = AppendReport(added=1, corrected=2, unchanged=3, repeated=4, empty=5)
    assert sum([one, one], AppendReport()) == AppendReport(2, 4, 6, 8, 10)
    assert one.stored == 3
