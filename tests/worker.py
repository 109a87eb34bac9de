"""One worker of a toy training, through the command itself. Run by test_multiworker.py.

Arguments: the method, the data folder, the run folder, then options of `portrait train`. With
`KILL_AT=N` the process kills itself at step N, with `SIGNAL_AT=N` it asks itself to stop there,
with `OTHER_DISK` its run folder is another one than that of the others.
"""

import os
import signal
import sys

from keras_portrait import cli
from keras_portrait.models.asymmetric_cycle import experiment as portrait
from keras_portrait.models.cartoongan import experiment as cartoongan
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training import callbacks
from keras_portrait.training import run as training
from tiny_training import TINY, TINY_PICTURES, light_edges, light_features

method, data, folder, *options = sys.argv[1:]

portrait.EdgeDetector = lambda: light_edges
portrait.PerceptualDistance = lambda: PerceptualDistance(load=False)
cartoongan.VGGFeatures = light_features


def signal_at(step, number):
    """Sends this process a signal at the end of a step."""
    for callback in (callbacks.CheckpointWriter, callbacks.FollowChief):

        def send(self, batch, logs=None, former=callback.on_train_batch_end):
            if self.step + 1 == step:
                os.kill(os.getpid(), number)
            former(self, batch, logs)

        callback.on_train_batch_end = send


if "KILL_AT" in os.environ:
    signal_at(int(os.environ["KILL_AT"]), signal.SIGKILL)
if "SIGNAL_AT" in os.environ:
    signal_at(int(os.environ["SIGNAL_AT"]), signal.SIGTERM)

if "OTHER_DISK" in os.environ:
    folder = f"{folder}-elsewhere"
training.SHARED_DISK_SECONDS = 1.0

recipe = "portrait-cpu" if method == "asymmetric_cycle" else method
tiny = TINY if method == "asymmetric_cycle" else TINY_PICTURES[method]
settings = [argument for one in [*tiny, "data.batch=4"] for argument in ("-s", one)]
sys.argv = ["portrait", "train", recipe, data, "--run-dir", folder, *settings, *options]
cli.main()
