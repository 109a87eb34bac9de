"""How far pictures out of noise are from held-back real ones."""

from collections.abc import Callable

import numpy as np

from keras_portrait.data.pictures import load_pictures
from keras_portrait.evaluation import intervals
from keras_portrait.evaluation.extractors import Extractor
from keras_portrait.evaluation.report.figures import number
from keras_portrait.inference.imaging import resize
from keras_portrait.inference.sampler import Sampler, random_noise
from keras_portrait.metrics import kernel_distance
from keras_portrait.training.experiment import spread

# Pictures of each kind that are compared.
COUNT = 200
# Held-back pictures that two halves of four can be made of.
LEAST = 8
_SEED = 0


def measure_noise(outcome, extractor: Callable | None = None) -> dict[str, dict]:
    """The kernel distance of each run that makes pictures out of noise.

    Args:
        outcome: of the experiment.
        extractor: pictures uint8 (N, S, S, 3) to features and texture; None for the usual one.

    Returns:
        By the keys of such runs `figures`, `kid` and `floor` (between two halves of the real
        pictures) with `value`, `low`, `high` and `count`, times 1000; and `words` for the page.
        Empty where fewer than `LEAST` were held back.
    """
    found = {}
    for row in outcome.declaration.rows:
        generator = outcome.generator(row.key)
        if generator is None or not generator.metadata.noise:
            continue
        held = spread(load_pictures(outcome.data, with_photos=False).held_pictures, COUNT)
        if len(held) < LEAST:
            continue
        extractor = extractor or Extractor()
        sampler = Sampler(generator)
        made = sampler(random_noise(COUNT, sampler.metadata.noise, _SEED))
        size = made.shape[1]
        real = np.stack([resize(each.read(outcome.data, each.file), size, size) for each in held])
        features = [extractor(pictures)[0] for pictures in (made, real)]
        found[row.key] = _figures(*features, extractor)
    return found


def _figures(made, real, extractor):
    def distance(a, b):
        return 1000 * kernel_distance(a, b)

    values = {
        "kid": (intervals.subset_interval(distance, made, real, _SEED), len(made)),
        "floor": (intervals.floor_interval(distance, real, len(real) // 2, _SEED), len(real) // 2),
    }
    figures = {
        key: dict(zip(("value", "low", "high"), (round(float(v), 5) for v in ends), strict=True))
        | {"count": count}
        for key, (ends, count) in values.items()
    }
    words = {
        name: f"{number(figures[key]['value'])} ({number(figures[key]['low'])} to "
        f"{number(figures[key]['high'])}), x 1000, on features of {extractor.name}"
        for key, name in (("kid", "KID to held-back pictures"), ("floor", "KID of their halves"))
    }
    return {"figures": figures, "words": words}
