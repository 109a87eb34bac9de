"""Public objects where web frameworks call them: from many threads at a time, and pickled."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from keras_portrait import Stylizer
from keras_portrait.inference.faces.mtcnn import NETS
from keras_portrait.inference.litert.runner import Runner
from keras_portrait.inference.sampler import Sampler, random_noise
from keras_portrait.inference.segmentation import PersonSegmenter


def in_threads(count, function, arguments, calls=32):
    """Calls a function with its arguments in turn, `count` at a time, which begin together."""
    barrier = threading.Barrier(count)

    def call(number):
        if number < count:
            barrier.wait()
        return function(arguments[number % len(arguments)])

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(calls)))


@pytest.fixture(scope="module")
def photos():
    """Photos of several sizes, with a face and turned ones among them."""
    from conftest import EXAMPLE
    from keras_portrait.inference.imaging import read_image, resize

    photo = read_image(EXAMPLE)
    return [photo, np.ascontiguousarray(photo[:, ::-1]), photo[30:], resize(photo, 300, 290)]


@pytest.mark.parametrize("count", [4, 16])
def test_a_stylizer_draws_the_same_in_every_thread(tiny_preset, photos, count):
    wanted = [Stylizer(tiny_preset, threads=1)(photo) for photo in photos]
    # Its detectors and its segmentation are made by the first calls.
    drawn = in_threads(count, Stylizer(tiny_preset, threads=1), photos)
    for number, drawing in enumerate(drawn):
        np.testing.assert_array_equal(drawing, wanted[number % len(photos)])


@pytest.mark.parametrize(
    ("given", "calls"), [("fast", 12), pytest.param("filter:ink", 2, marks=pytest.mark.slow)]
)
def test_presets_and_filters_draw_the_same_in_every_thread(photos, given, calls):
    stylizer = Stylizer(given, threads=1)
    wanted = [stylizer(photo) for photo in photos[:2]]
    for number, drawing in enumerate(in_threads(min(4, calls), stylizer, photos[:2], calls)):
        np.testing.assert_array_equal(drawing, wanted[number % 2])


def test_avatars_are_the_same_in_every_thread():
    sampler = Sampler("avatars", threads=1)
    noise = [random_noise(1, sampler.metadata.noise, seed) for seed in range(4)]
    wanted = [sampler(one) for one in noise]
    for number, picture in enumerate(in_threads(4, sampler, noise)):
        np.testing.assert_array_equal(picture, wanted[number % 4])


def test_people_are_the_same_in_every_thread(photos):
    segmenter = PersonSegmenter()
    wanted = [segmenter(photo) for photo in photos]
    for number, alpha in enumerate(in_threads(4, segmenter, photos)):
        np.testing.assert_array_equal(alpha, wanted[number % len(photos)])


def test_results_of_a_runner_outlive_the_next_call():
    runner = Runner(NETS / "rnet.tflite")
    first = runner(np.zeros((1, 24, 24, 3), np.float32))
    kept = {name: array.copy() for name, array in first.items()}
    runner(np.ones((1, 24, 24, 3), np.float32))
    for name, array in first.items():
        np.testing.assert_array_equal(array, kept[name])


def test_a_pickled_stylizer_draws_the_same(tiny_preset, photos):
    stylizer = Stylizer(tiny_preset, threads=1)
    drawing = stylizer(photos[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(stylizer))(photos[0]), drawing)


def test_pickled_filters_and_runners(photos):
    stylizer = pickle.loads(pickle.dumps(Stylizer("filter", threads=1)))
    assert stylizer.metadata.styles == ("ink", "line", "engraving")
    runner = Runner(NETS / "pnet.tflite")
    runner.resize("image", (1, 20, 24, 3))
    again, picture = pickle.loads(pickle.dumps(runner)), np.zeros((1, 20, 24, 3), np.float32)
    np.testing.assert_array_equal(again(picture)["scores"], runner(picture)["scores"])
    content = Runner((NETS / "rnet.tflite").read_bytes())
    assert pickle.loads(pickle.dumps(content)).inputs == content.inputs


def test_a_generator_of_keras_says_why_it_cannot_be_pickled(tmp_path):
    import keras

    from keras_portrait.training.saved_generator import _KerasNet

    image = keras.Input((8, 8, 3), name="image")
    net = _KerasNet(keras.Model(image, keras.layers.Conv2D(1, 1)(image)))
    with pytest.raises(TypeError, match="cannot be pickled. Expected the path of its run folder"):
        pickle.dumps(net)


def test_a_pickled_detector_finds_the_same(photos):
    from keras_portrait.inference.faces import find_detector

    detector = find_detector(40)
    assert pickle.loads(pickle.dumps(detector)).detect(photos[0]) == detector.detect(photos[0])
