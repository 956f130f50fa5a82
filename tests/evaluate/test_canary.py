"""The rule by which a new version of the service may replace the one beside it."""

from dataclasses import replace

import pytest

from power_nowcast.evaluate.canary import LEAST_REQUESTS, Figures, Look, decide, figures

GOOD = Figures(
    ready=1.0, requests=100, failed=0.0, fast=0.99, late=0.0, starts=0, memory_mib=400.0, skill=0.3, model="1 (abc)"
)


def kept(stable: Figures, canary: Figures) -> set[str]:
    """The parts of the rule that are not kept."""
    return {one.what for one in decide(stable, canary) if not one.is_kept}


def test_counters_grow_and_begin_anew_when_the_process_does() -> None:
    looks = [
        Look(True, answered=10, failed=1, fast=9, began=1.0, memory_bytes=2**20, is_late=False, model="1"),
        Look(True, answered=30, failed=2, fast=28, began=1.0, memory_bytes=3 * 2**20, is_late=True, model="1"),
        Look(False),  # nothing was said
        Look(True, answered=20, failed=0, fast=20, began=7.0, memory_bytes=2**20, is_late=False, model="2"),
    ]
    told = figures(looks, 0.5)
    assert (told.ready, told.requests, told.starts, told.memory_mib, told.skill) == (0.75, 40, 1, 3.0, 0.5)
    assert told.failed == pytest.approx(1 / 40)
    assert told.fast == pytest.approx(39 / 40)
    assert told.late == pytest.approx(1 / 3)
    assert told.model == "2"


def test_a_service_that_says_nothing_has_no_figures() -> None:
    told = figures([Look(False), Look(False)], None)
    assert told == Figures(0.0, 0, None, None, None, 0, None, None, "")
    assert kept(GOOD, told) == {"requests", "ready"}


def test_an_equal_version_may_replace_it() -> None:
    assert kept(GOOD, GOOD) == set()


@pytest.mark.parametrize(
    ("what", "just_good", "too_bad"),
    [
        ("requests", {"requests": LEAST_REQUESTS}, {"requests": LEAST_REQUESTS - 1}),
        ("ready", {"ready": 0.991}, {"ready": 0.98}),
        ("late", {"late": 0.009}, {"late": 0.02}),
        ("failed answers", {"failed": 0.009}, {"failed": 0.02}),
        ("within 0.1 s", {"fast": 0.95}, {"fast": 0.93}),
        ("started again", {"starts": 0}, {"starts": 1}),
        ("memory in MiB", {"memory_mib": 499.0}, {"memory_mib": 501.0}),
        ("skill", {"skill": 0.281}, {"skill": 0.279}),
    ],
)
def test_each_part_of_the_rule_refuses_by_itself(
    what: str, just_good: dict[str, float], too_bad: dict[str, float]
) -> None:
    assert kept(GOOD, replace(GOOD, **just_good)) == set()  # type: ignore[arg-type]
    assert kept(GOOD, replace(GOOD, **too_bad)) == {what}  # type: ignore[arg-type]


def test_what_is_as_bad_in_both_does_not_count_against_the_new_one() -> None:
    bad = replace(GOOD, ready=0.5, late=0.5, failed=0.5, fast=0.1, skill=-1.0)
    assert kept(bad, bad) == set()


def test_a_figure_that_one_lacks_says_nothing() -> None:
    assert kept(replace(GOOD, skill=None), GOOD) == set()
    assert kept(GOOD, replace(GOOD, skill=None, late=None)) == set()
