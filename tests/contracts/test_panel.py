import numpy as np

from power_nowcast.contracts import Panel, Patches

START = np.datetime64("2024-03-10T00:00", "m")


def test_a_panel_knows_its_times() -> None:
    none = np.empty((0, 0))
    panel = Panel("toy", START, 30, ("A",), np.zeros((4, 1)), (), none, START, 60, none, START)
    assert panel.times.astype(str).tolist() == [
        "2024-03-10T00:00", "2024-03-10T00:30", "2024-03-10T01:00", "2024-03-10T01:30"
    ]  # fmt: skip
    assert panel.end == panel.times[-1]
    assert len(panel.patches.value) == len(Patches.none().available_at) == 0
