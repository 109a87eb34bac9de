"""Portrait drawings that filters make of a photo, without any network.

What is here needs neither Keras nor training data, so that a photo can be drawn where nothing else
is installed; training learns from the same drawings.
"""

from keras_portrait.inference.filters.engraving import WAVE_TILE, plane_wave
from keras_portrait.inference.filters.portrait_filters import (
    FEATURES,
    FILTERS,
    MOST_SIDE,
    check_features,
    check_filters,
    draw_filters,
)

__all__ = [
    "FEATURES",
    "FILTERS",
    "MOST_SIDE",
    "WAVE_TILE",
    "check_features",
    "check_filters",
    "draw_filters",
    "plane_wave",
]
