"""How a method's networks become part of a saved model, and come back from it."""

from dataclasses import asdict, is_dataclass

import keras
from keras.src.saving.keras_saveable import KerasSaveable


def weights_from(kind: type, given):
    """The weights of a method's losses.

    Args:
        kind: the dataclass of the method's weights, whose defaults are the published ones.
        given: None for these, a dict of what differs from them, or an object that is used as it is.
    """
    if given is None or isinstance(given, dict):
        return kind(**(given or {}))
    return given


def weights_config(weights) -> dict:
    """The weights as a dict of numbers and words, as `weights_from` takes it."""
    return asdict(weights) if is_dataclass(weights) else dict(vars(weights))


def saved_networks(model: keras.Model, names) -> dict:
    """The networks of a model as Keras writes them, by the names of the attributes."""
    return {name: _serialized(getattr(model, name)) for name in names}


def frozen_config(model: keras.Model, **packaged: type) -> dict:
    """The same of what is frozen, without what is loaded from a package again.

    Args:
        model: holds it.
        **packaged: by the name of an attribute the class whose weights come from a package.

    Raises:
        TypeError: it is neither of that class nor a Keras object.
    """
    config = {}
    for name, kind in packaged.items():
        held = getattr(model, name)
        if held is None or (isinstance(held, kind) and held.packaged):
            continue
        if not isinstance(held, KerasSaveable):
            raise TypeError(
                f"{name}: expected {kind.__name__} with the packaged weights, or a Keras model, "
                f"which can be saved; save_weights needs neither. Received: {held!r}"
            )
        config[name] = _serialized(held)
    return config


def restored(value):
    """A value of a saved configuration, networks built again."""
    if not isinstance(value, dict):
        return value
    if "class_name" in value and "config" in value:
        return keras.saving.deserialize_keras_object(value)
    return {name: restored(one) for name, one in value.items()}


def _serialized(network):
    if isinstance(network, dict):
        return {name: _serialized(one) for name, one in network.items()}
    return None if network is None else keras.saving.serialize_keras_object(network)
