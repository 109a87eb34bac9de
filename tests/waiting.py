"""Waits in a test for what another thread or process does."""

import time


def wait_until(condition, seconds: float = 10.0):
    """What the condition says, once it says anything."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)
    return value
