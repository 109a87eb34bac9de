"""The error that ends a job, because every other photo would meet it too."""

from keras_portrait.errors import InputError


class JobStopped(InputError):
    """A store that cannot be reached, a full disk, workers that do not start.

    What was finished stays finished; the same command goes on from there.
    """
