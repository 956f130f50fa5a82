import numpy as np

from power_nowcast.contracts import Grid, Panel, Part, Patches

START = np.datetime64("2024-03-10T00:00", "m")


def test_a_panel_knows_its_times() -> None:
    panel = Panel("toy", START, Grid(START, 30, ("A",), np.zeros((4, 1))))
    assert panel.times.astype(str).tolist() == [
        "2024-03-10T00:00", "2024-03-10T00:30", "2024-03-10T01:00", "2024-03-10T01:30"
    ]  # fmt: skip
    assert panel.end == panel.times[-1]
    assert len(panel.patches.value) == len(Patches.none().available_at) == 0


def test_a_grid_tells_the_slot_of_any_time() -> None:
    grid = Grid.unknown(START, 30, ("A", "B"), 4)
    assert grid.values.shape == (len(grid), 2) == (4, 2)
    assert np.isnan(grid.values).all()
    assert grid.values.flags.f_contiguous, "one series lies side by side"
    minutes = START + np.array([-1, 0, 29, 30, 400], "timedelta64[m]")
    assert grid.slots(minutes).tolist() == [-1, 0, 0, 1, 13]
    assert (grid.slots(grid.times) == np.arange(4)).all()


def test_every_part_is_a_grid_of_the_panel() -> None:
    panel = Panel("toy", START, Grid.unknown(START, 30, ("A",), 4))
    assert panel.grid(Part.POWER) is panel.power
    assert [part for part in Part if panel.grid(part).values.size] == [Part.POWER]
    assert (panel.series, panel.start, panel.step_minutes) == (("A",), START, 30)
