"""The table of what the main job makes on each kind of backend."""

from tests.backends.ways import COLUMNS, PAGE, rows


def test_every_way_made_the_same_model_with_the_same_figures() -> None:
    found = rows()
    assert set(found) == {"embedded", "direct", "proxied", "image"}
    assert f"| {' | '.join(COLUMNS)} |" in PAGE.read_text()
    assert len({tuple(cells[:3]) for cells in found.values()}) == 1
    for cells in found.values():
        assert [float(cell.replace(",", "")) > 0 for cell in cells[1:]] == [True] * 4
