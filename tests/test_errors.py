import re
import tomllib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from power_nowcast import errors
from power_nowcast.errors import (
    ConfigurationError,
    HistoryError,
    NowcastError,
    PromotionRefusedError,
    install_remedy,
)

ROOT = Path(__file__).parents[1]


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


def test_the_remedy_for_a_missing_package_works_in_a_clone() -> None:
    """No release is needed: `make setup` installs the pinned packages of an extra, and pip takes the clone."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) == {"aws", "dask", "grids", "neural", "server"}
    for extra, packages in extras.items():
        made_with = "requirements-neural.txt" if extra == "neural" else "requirements.txt"
        assert ("NEURAL=1" in install_remedy(extra)) == (extra == "neural")
        assert f"pip install '.[{extra}]'" in install_remedy(extra)
        pins = (ROOT / made_with).read_text()
        for package in packages:
            assert f"\n{re.split(r'[>\[]', package)[0]}==" in f"\n{pins}", (package, made_with)


def test_no_text_names_an_extra_as_if_there_were_a_release() -> None:
    texts = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    assert len(texts) > 100
    assert [path for path in texts if re.search(r"install '?power-nowcast\[", path.read_text(encoding="utf-8"))] == []
