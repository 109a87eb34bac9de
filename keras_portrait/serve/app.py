"""The service as a FastAPI application: its addresses, and how each answers."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

import keras_portrait
from keras_portrait.errors import PortraitError
from keras_portrait.inference.stylizer import Stylizer
from keras_portrait.serve.access import Access
from keras_portrait.serve.drawing import MEDIA_TYPES, check_options, draw
from keras_portrait.serve.fetching import Fetcher
from keras_portrait.serve.gate import Gate, answer_to
from keras_portrait.serve.metrics import CONTENT_TYPE, Metrics
from keras_portrait.serve.page import read_page
from keras_portrait.serve.photos import read_photo
from keras_portrait.serve.refusals import Refusal, shortened, status_of
from keras_portrait.serve.settings import Settings
from keras_portrait.serve.studio import Studio

WARNING_HEADER = "X-Portrait-Warning"
_ShortText = Annotated[str, Field(max_length=200)]
_ERRORS = (400, 401, 403, 404, 408, 413, 415, 422, 501, 502, 503, 504)


class DrawOptions(BaseModel):
    """What a request may say about its drawing, behind the ? of the address."""

    model_config = ConfigDict(extra="forbid")

    preset: _ShortText | None = None
    style: _ShortText | None = None
    crop: bool = False
    whole: bool = False
    faces: Literal["largest", "all"] = "largest"
    background: Literal["white", "keep"] = "white"
    format: Literal["png", "jpeg", "svg"] = "png"


class FetchOptions(DrawOptions):
    """The same, with the address of the photo."""

    url: Annotated[str, Field(max_length=2048)]


class Error(BaseModel):
    """Why a request was refused, in one line."""

    error: str


class Preset(BaseModel):
    """What there is to draw with."""

    name: str
    description: str
    styles: list[str]
    colour: bool
    size: int
    default: bool


class Health(BaseModel):
    """That the service answers."""

    status: str
    version: str


def create_app(settings: Settings, open_stylizer: Callable[..., Stylizer] = Stylizer) -> FastAPI:
    """Makes the service; `state.studio` draws for it.

    Args:
        settings: bounds and presets.
        open_stylizer: makes the stylizer of a preset, given its place and `threads`.

    Raises:
        SettingError: a preset does not exist or does not fit, or the token has not its form.
        InputError: a file of a preset is missing or altered.
    """
    metrics = Metrics()
    access = Access(settings.host, settings.token)
    studio = Studio(settings, metrics, open_stylizer)
    fetcher = Fetcher(settings.allowed_hosts)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with studio.open():
            yield
        fetcher.close()
        metrics.close()

    app = FastAPI(
        title="keras-portrait",
        summary="Turns photos of faces into portrait drawings.",
        version=keras_portrait.__version__,
        # FastAPI's own pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.studio = studio
    app.add_middleware(Gate, access=access, metrics=metrics)
    _add_errors(app)
    _add_drawing(app, settings, studio, fetcher, metrics)
    _add_the_rest(app, studio, metrics)
    return app


def app_in_worker() -> FastAPI:
    """The service in a process that `portrait serve --workers` started."""
    return create_app(Settings.in_worker())


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(PortraitError)
    async def tell_error(_: Request, error: PortraitError) -> JSONResponse:
        if not isinstance(error, Refusal):
            error = Refusal(status_of(error), str(error))
        return answer_to(error)

    @app.exception_handler(RequestValidationError)
    async def tell_wrong_options(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        name = shortened(first["loc"][-1])
        if first["type"] == "extra_forbidden":
            text = f"No such option. Expected those of /openapi.json. Received: {name}"
        elif first["type"] == "missing":
            text = f"Expected ?{name}=... in the address. Received: none"
        else:
            text = f"{name}: {first['msg']}. Received: {shortened(first['input'])}"
        return answer_to(Refusal(422, text))

    @app.exception_handler(HTTPException)
    async def tell_status(request: Request, error: HTTPException) -> JSONResponse:
        path = shortened(request.url.path)
        text = f"{error.detail}. Received: {request.method} {path}"
        return answer_to(Refusal(error.status_code, text, dict(error.headers or {})))

    @app.exception_handler(Exception)
    async def tell_fault(_: Request, error: Exception) -> JSONResponse:
        return answer_to(Refusal(500, f"A fault of the service ({type(error).__name__})."))


def _add_drawing(
    app: FastAPI, settings: Settings, studio: Studio, fetcher: Fetcher, metrics: Metrics
) -> None:
    async def answer(request: Request, options: DrawOptions, read: Callable) -> Response:
        vector = check_options(options, studio.metadata(options.preset))
        with studio.place():
            with metrics.waiting.track_inprogress():
                photo = await read()

            def make() -> bytes:
                stylizer = studio.stylizer(options.preset)
                return draw(stylizer, photo, options, vector, settings.most_pixels)

            drawing, lines = await studio.draw(make, request.is_disconnected)
        response = Response(drawing, media_type=MEDIA_TYPES[options.format])
        for line in lines:
            text = line.encode("ascii", "backslashreplace").decode()
            response.headers.append(WARNING_HEADER, text)
        return response

    pictures = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _PICTURES}
    responses = {200: {"content": pictures, "description": "The drawing."}}
    responses |= {status: {"model": Error} for status in _ERRORS}
    described = {"responses": responses, "response_class": Response}

    @app.post("/draw", openapi_extra={"requestBody": _BODY}, **described)
    async def draw_photo(request: Request, options: Annotated[DrawOptions, Query()]) -> Response:
        """Draws the photo that is sent: its bytes, or a form with one file."""
        return await answer(request, options, lambda: read_photo(request))

    @app.get("/draw", **described)
    async def draw_address(request: Request, options: Annotated[FetchOptions, Query()]) -> Response:
        """Draws the photo behind an address, where its host is allowed."""
        return await answer(request, options, lambda: fetcher.fetch(options.url))


_PICTURES = tuple(MEDIA_TYPES.values())
_BODY = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            }
        },
    },
}


def _add_the_rest(app: FastAPI, studio: Studio, metrics: Metrics) -> None:
    page = read_page()

    @app.get("/", include_in_schema=False)
    async def show_page() -> HTMLResponse:
        return HTMLResponse(page.content, headers={"Content-Security-Policy": page.policy})

    @app.get("/presets")
    async def list_presets() -> list[Preset]:
        """What there is to draw with, the default first."""
        return [
            Preset(
                name=name,
                description=metadata.description,
                styles=list(metadata.styles),
                colour=metadata.channels == 3,
                size=metadata.size,
                default=name == studio.default,
            )
            for name, (_, metadata) in studio.presets.items()
        ]

    @app.get("/health")
    async def tell_health() -> Health:
        """Says that the service answers."""
        return Health(status="ok", version=keras_portrait.__version__)

    @app.get("/metrics", response_class=Response)
    async def tell_metrics() -> Response:
        """Counts and times, as Prometheus reads them."""
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})
