"""The page's runtime, LiteRT.js: brought by npm once, kept in the user's cache.

It is no part of the package, which it would make three times as large.
"""

from pathlib import Path

from keras_portrait.errors import InputError
from keras_portrait.inference.addresses.npm_files import NpmFiles

_SCOPE = "@litertjs/"
_RUNTIME = NpmFiles(
    "the page's runtime", "web-runtime", f"{_SCOPE}core", Path(__file__).with_name("npm")
)
# The one import of its entry by a package's name, which a browser's worker cannot resolve.
_ENTRY = "core/dist/index.js"
_BY_NAME = b'from "@litertjs/wasm-utils"'
_BY_PLACE = b'from "../../wasm-utils/dist/index.js"'


def read_runtime() -> dict[str, bytes]:
    """The files of the runtime; npm fetches them the first time.

    Returns:
        Contents by path, such as `core/dist/index.js`, which is the module to import.

    Raises:
        MissingExtra: npm is missing, or cannot fetch them.
        InputError: the cache cannot be written to, or what npm brought is not what is pinned.
    """
    files = {name.removeprefix(_SCOPE): data for name, data in _RUNTIME.read().items()}
    if files[_ENTRY].count(_BY_NAME) != 1:
        raise InputError(
            f"The runtime does not import wasm-utils as expected. Received: {_SCOPE}{_ENTRY}"
        )
    return files | {_ENTRY: files[_ENTRY].replace(_BY_NAME, _BY_PLACE)}
