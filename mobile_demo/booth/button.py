"""A push button on the pins of a Raspberry Pi: `portrait-demo --button`."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keras_portrait.errors import MissingExtra, SettingError

# Seconds for which a contact must rest: the springs of push buttons are still after 5 to 20 ms.
BOUNCE_SECONDS = 0.05


@contextmanager
def push_button(pin: str, pressed: Callable[[], object]) -> Iterator[None]:
    """Listens to a button between a pin and ground.

    Args:
        pin: GPIO number or any other name that gpiozero takes, for example "17" or "BOARD11".
        pressed: is called at each press, from a thread of gpiozero's.

    Raises:
        MissingExtra: gpiozero is not installed.
        SettingError: there is no such pin, or it cannot be used.
    """
    try:
        import gpiozero
    except ImportError as error:
        raise MissingExtra(
            "The package gpiozero is not installed; --button needs it: "
            "apt install python3-gpiozero or pip install gpiozero lgpio"
        ) from error
    try:
        with warnings.catch_warnings():
            # It tells of each way to the pins that is not there, before it takes the next.
            warnings.simplefilter("ignore")
            # Not its Button, which has a thread for long presses that may take a second to end.
            button = gpiozero.DigitalInputDevice(pin, pull_up=True, bounce_time=BOUNCE_SECONDS)
    except Exception as error:  # each library that reaches the pins has errors of its own
        raise SettingError(
            f"The pin cannot be used ({str(error).splitlines()[0] if str(error) else error!r}). "
            "Expected the GPIO number of a free pin on a Raspberry Pi, with lgpio installed. "
            f"Received: --button {pin}"
        ) from error
    try:
        button.when_activated = pressed
        yield
    finally:
        button.close()
