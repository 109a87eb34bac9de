"""Listens, in this process or with several, until it is told to stop."""

import os
import signal
import socket
import sys
import tempfile

import uvicorn
from uvicorn.supervisors import Multiprocess

from keras_portrait.errors import SettingError
from keras_portrait.serve.metrics import FOLDER_VARIABLE
from keras_portrait.serve.settings import Settings

# Connections of one process; more get a 503 before they are heard.
_MOST_CONNECTIONS = 512
# Seconds that an idle connection is kept.
_IDLE_SECONDS = 5


def listen(host: str, port: int) -> socket.socket:
    """Takes an address and a port.

    Args:
        host: name or address; `0.0.0.0` for all of this machine.
        port: 0 takes any that is free.

    Raises:
        SettingError: they cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingError(
            f"The service cannot listen there ({reason}). "
            f"Expected an address of this machine and a free port. Received: {host}:{port}"
        ) from None
    listener.set_inheritable(True)
    return listener


def serve(app, settings: Settings, listener: socket.socket, workers: int) -> None:
    """Answers until SIGTERM or SIGINT; what is being drawn then is drawn and sent.

    Args:
        app: the service; one worker needs it, several make their own.
        settings: of the service.
        listener: what `listen` returned.
        workers: processes.
    """
    options = {
        "access_log": False,
        "lifespan": "on",
        "limit_concurrency": _MOST_CONNECTIONS,
        "log_level": "warning",
        "server_header": False,
        "timeout_graceful_shutdown": None,
        "timeout_keep_alive": _IDLE_SECONDS,
        "ws": "none",
    }
    # uvicorn stops, then raises the signal once more.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if workers == 1:
        uvicorn.Server(uvicorn.Config(app, **options)).run([listener])
        return
    settings.hand_to_workers()
    with tempfile.TemporaryDirectory(prefix="portrait-serve-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        app_name = "keras_portrait.serve.app:app_in_worker"
        config = uvicorn.Config(app_name, factory=True, workers=workers, **options)
        Multiprocess(config, [listener]).run()
