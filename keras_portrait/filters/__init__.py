"""Portrait drawings that filters make of a photo, without any network.

What is here needs neither Keras nor training data, so that a photo can be drawn where nothing else
is installed; training learns from the same drawings.
"""
