import pytest

from labkit.clock import Clock


def test_a_faster_clock_needs_less_real_time() -> None:
    assert Clock(60).real(600) == 10
    assert Clock().real(600) == 600


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_clock_that_stands_still_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Clock(speed)
