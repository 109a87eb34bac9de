"""Takes two training steps under the torch backend; prints the losses. Run by test_torch.py.

Argument: an `.npz` with the weights of every network and one batch.
"""

import json
import sys

import numpy as np
from keras import ops

from tiny_cycle import networks_of, tiny

model = tiny(pool_size=0)
with np.load(sys.argv[1]) as file:
    for name, network in networks_of(model).items():
        network.set_weights([file[f"{name}/{i}"] for i in range(len(network.weights))])
    model.distance.heads = [file[f"heads/{i}"] for i in range(5)]
    batch = {name[6:]: ops.convert_to_tensor(file[name]) for name in file if name[:6] == "batch/"}
model.progress.assign(0.5)
rows = []
for _ in range(2):
    model.reset_metrics()
    rows.append(
        {name: float(value) for name, value in model.train_step((batch,)).items() if name != "loss"}
    )
print(json.dumps(rows))
