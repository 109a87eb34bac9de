"""Photos out of requests, bounded in bytes and time."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from keras_portrait.serve.refusals import Refusal

# Bytes of a request: more than phones and cameras write of JPEG, HEIC and most of PNG.
MOST_BYTES = 2**25
# Seconds within which a request's body must be there, however slowly it comes.
BODY_SECONDS = 30.0
_ONE_FILE = "Expected one file in multipart/form-data, or the bytes of a photo."


async def read_photo(request: Request) -> bytes:
    """The photo that a request brings, as a form with one file or as it is.

    Raises:
        Refusal: there is none, or too much of it, or it came too slowly.
    """
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read_body(request)
    except TimeoutError:
        raise Refusal(
            408, f"The photo came too slowly. Expected it within {BODY_SECONDS:g} s."
        ) from None
    except ClientDisconnect:
        raise Refusal(400, f"The request was broken off. {_ONE_FILE}") from None
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        body = await _file_of_form(request, body)
    if not body:
        raise Refusal(400, f"The request holds no photo. {_ONE_FILE} Received: 0 bytes")
    return body


async def _read_body(request: Request) -> bytes:
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > MOST_BYTES:
        raise too_many_bytes(f"{told} bytes")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise too_many_bytes("more")
    return bytes(body)


def too_many_bytes(received: str) -> Refusal:
    """The answer to a photo of too many bytes."""
    return Refusal(
        413,
        f"The photo is too large. Expected at most {MOST_BYTES // 2**20} MiB. Received: {received}",
    )


class _Parser(MultiPartParser):
    """Keeps files in memory, which are bounded, and never on a disk."""

    spool_max_size = MOST_BYTES + 1


async def _file_of_form(request: Request, body: bytes) -> bytes:
    async def parts() -> AsyncIterator[bytes]:
        yield body

    try:
        form = await _Parser(request.headers, parts(), max_files=8, max_fields=8).parse()
    except MultiPartException as error:
        reason = error.message.rstrip(".")
        raise Refusal(400, f"The form cannot be read ({reason}). {_ONE_FILE}") from None
    values = [value for _, value in form.multi_items()]
    files = [value for value in values if isinstance(value, UploadFile)]
    try:
        if len(files) != len(values):
            raise Refusal(
                400,
                f"A form holds the photo alone; options stand behind the ? of the address. "
                f"{_ONE_FILE} Received: {len(values) - len(files)} other fields",
            )
        if len(files) != 1:
            raise Refusal(400, f"The form has no single file. {_ONE_FILE} Received: {len(files)}")
        return await files[0].read()
    finally:
        await form.close()
