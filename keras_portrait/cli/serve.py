"""`portrait serve`: drawings for other programs, over HTTP."""

import os
from importlib.util import find_spec
from typing import Annotated

import typer

from keras_portrait.errors import MissingExtra, SettingError
from keras_portrait.terminal import tell

# Modules of the extra, and the packages that bring them.
_NEEDED = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "prometheus_client": "prometheus-client",
}
# Drawings at once in one process; networks of one preset run one at a time anyway.
_MOST_AT_ONCE = 4


def serve(
    host: Annotated[
        str,
        typer.Option(metavar="HOST", help="Address to listen on; 0.0.0.0 for all of this machine."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8000,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name from `portrait presets`, a preset's folder, model file or address "
            "(hf://user/name); may be given several times, the default first. Without it: "
            "portrait, and all in the package.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="PORTRAIT_SERVE_TOKEN",
            help="What requests must bring: Authorization: Bearer TOKEN. Made and told where HOST "
            "is no loopback address and none is given.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that draw.")] = 1,
    most_megapixels: Annotated[
        float,
        typer.Option(
            min=0.01, max=80, help="Of a photo; larger JPEG files are reduced, others refused."
        ),
    ] = 25,
    queue: Annotated[
        int, typer.Option(min=0, max=1000, help="Requests of a process that may wait.")
    ] = 16,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds for a drawing, with waiting.")
    ] = 60,
    allow_url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            help="A host, or HOST:PORT, that GET /draw?url= may fetch photos from; may be given "
            "several times.",
        ),
    ] = None,
) -> None:
    """Draw for other programs, over HTTP, until Ctrl-C."""
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise MissingExtra(
            f"The service needs {', '.join(missing)}. Install it with: "
            'pip install "keras-portrait[serve]"'
        )
    from keras_portrait.serve.access import Access
    from keras_portrait.serve.app import create_app
    from keras_portrait.serve.server import listen
    from keras_portrait.serve.server import serve as serve_until_stopped
    from keras_portrait.serve.settings import Settings

    cores = max(1, (os.cpu_count() or 1) // workers)
    settings = Settings(
        host=host,
        token=Access(host, token).token,
        presets=tuple(preset or ()),
        most_pixels=round(most_megapixels * 1_000_000),
        at_once=min(_MOST_AT_ONCE, cores),
        queue=queue,
        timeout=timeout,
        allowed_hosts=tuple(allow_url or ()),
        threads=min(4, cores),
    )
    for entry in settings.allowed_hosts:
        if "/" in entry or not entry:
            raise SettingError(
                f"--allow-url: expected a HOST or HOST:PORT alone. Received: {entry}"
            )
    # Several workers make their own; here it says what is wrong before anything is started.
    app = create_app(settings)
    app.state.studio.load()
    listener = listen(host, port)
    address = f"[{host}]" if ":" in host else host
    made = settings.token if token is None and settings.token else None
    tell(
        f"Drawing at http://{address}:{listener.getsockname()[1]}/"
        + (f"#token={made}" if made else "")
    )
    serve_until_stopped(app, settings, listener, workers)
