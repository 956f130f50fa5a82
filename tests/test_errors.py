import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from power_nowcast import errors
from power_nowcast.errors import ConfigurationError, HistoryError, NowcastError, PromotionRefusedError


def _all(kind: type[NowcastError]) -> list[type[NowcastError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _all(child))]


def _tree(kind: type[NowcastError]) -> dict[str, str]:
    """Parent of each class below."""
    return {child.__name__: kind.__name__ for child in kind.__subclasses__()} | {
        name: parent for child in kind.__subclasses__() for name, parent in _tree(child).items()
    }


def _told() -> dict[str, str]:
    """Parent of each class as the module's docstring draws it."""
    found: dict[str, str] = {}
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"    ([| `-]*)(\w+Error)\b", line):
            depth = len(drawn[1]) // 4
            above[depth] = drawn[2]
            if depth:
                found[drawn[2]] = above[depth - 1]
    return found


def test_the_drawn_tree_is_the_classes() -> None:
    own = {name: parent for name, parent in _tree(NowcastError).items() if hasattr(errors, name)}
    assert own == _told()
    assert len(own) >= 17


@pytest.mark.parametrize("kind", _all(NowcastError), ids=lambda kind: kind.__name__)
def test_every_error_says_what_and_what_to_do(kind: type[NowcastError]) -> None:
    error = kind("It broke.", remedy="Mend it.", region="toy", reasons=("a", "b"))
    assert str(error) == "It broke. Mend it."
    assert error.fields == {"region": "toy", "reasons": ("a", "b")}
    assert error.region == "toy"  # type: ignore[attr-defined]
    assert error.title


def test_titles_below_the_base_differ_from_it() -> None:
    titles = [kind.title for kind in _all(NowcastError)]
    assert len(set(titles)) == len(titles)


def _fail(kind: type[NowcastError]) -> None:
    raise kind("Too short.", remedy="Wait.", region="toy", minutes=30)


@pytest.mark.parametrize("kind", [HistoryError, ConfigurationError, PromotionRefusedError])
def test_errors_come_whole_out_of_a_spawned_process(kind: type[NowcastError], pool: ProcessPoolExecutor) -> None:
    with pytest.raises(kind) as caught:
        pool.submit(_fail, kind).result()
    assert type(caught.value) is kind
    assert (caught.value.message, caught.value.remedy) == ("Too short.", "Wait.")
    assert caught.value.fields == {"region": "toy", "minutes": 30}
    assert caught.value.minutes == 30  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as made:
        yield made
