"""Trains in a process of its own that kills itself at some moment. Run by test_resume.py.

Arguments: the data folder, the run folder, and the moment: "never", "step N", "checkpoint" (while
the second one is written), "log" (before the epoch's line), or "sums" (after a checkpoint's sum).
"""

import os
import signal
import sys
from dataclasses import replace

from keras_portrait.models.asymmetric_cycle import experiment as portrait
from keras_portrait.perceptual import PerceptualDistance
from keras_portrait.training import callbacks, checkpoints
from keras_portrait.training import run as training
from keras_portrait.training.adversarial_model import AdversarialModel
from tiny_training import light_edges, plan_of

data, folder, moment = sys.argv[1:]


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def compile_eagerly(self, **optimizers):
    compile_model(self, **optimizers)
    self.run_eagerly = "DEVICES" not in os.environ  # several devices work in graphs alone


compile_model = AdversarialModel.compile
AdversarialModel.compile = compile_eagerly
portrait.EdgeDetector = lambda: light_edges
portrait.PerceptualDistance = lambda: PerceptualDistance(load=False)

if moment.startswith("step"):
    writer = callbacks.CheckpointWriter
    former = writer.on_train_batch_end

    def kill_at(self, batch, logs=None):
        former(self, batch, logs)
        if self.step == int(moment.split()[1]):
            die()

    writer.on_train_batch_end = kill_at
elif moment == "checkpoint":
    save = portrait.AsymmetricCycle.save_weights

    def save_half(self, path):
        save(self, path)
        if checkpoints.list_checkpoints(path.parent):
            path.write_bytes(path.read_bytes()[:5000])
            die()

    portrait.AsymmetricCycle.save_weights = save_half
elif moment == "sums":
    write = checkpoints.write_whole

    def write_and_die(path, text):
        write(path, text)
        if path.name.startswith("checkpoint-00000003"):
            die()

    checkpoints.write_whole = write_and_die
elif moment == "log":
    callbacks.LossLog.on_epoch_end = die

recipe = plan_of(data, folder).recipe
count = int(os.environ.get("DEVICES", "1"))
if count > 1:
    recipe = replace(recipe, data=replace(recipe.data, batch=2 * count))
training.train(training.make_plan(recipe, "tiny", data, folder, count), verbose=0)
