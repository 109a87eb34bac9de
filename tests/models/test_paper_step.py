"""What our speed is compared with is the paper's step: its recorded losses, in torch."""

import sys
from pathlib import Path

import numpy as np
import pytest
from test_asymmetric_cycle import RECORDED

from keras_portrait.inference.geometry import PARTS
from reference_step import ReferenceStep

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_the_step_in_torch_has_the_recorded_losses(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "paper_step", raising=False)
    import paper_step

    recorded, model = ReferenceStep(), paper_step.PaperStep(512, 8)
    networks = {
        **{"generator": model.generator, "inverse_generator": model.inverse_generator},
        **{"drawing_disc": model.drawing_disc, "photo_disc": model.photo_disc},
        **{f"{part}_disc": disc for part, disc in model.part_discs.items()},
    }
    for name, network in networks.items():
        weights = recorded.weights[name]
        for own, value in zip(network.parameters(), weights, strict=True):
            own.data = torch.from_numpy(value)
    for pool in model.pools:
        pool.exchange = lambda fresh: fresh
    batch = {"photo": recorded.photo, "drawing": recorded.drawing}
    for part in PARTS:
        batch |= {f"{kind}_{part}": recorded.mask(kind, part) for kind in ("photo", "drawing")}
    batch = {
        name: torch.from_numpy(np.ascontiguousarray(value.transpose(0, 3, 1, 2)))
        for name, value in batch.items()
    }
    losses = model.step({**batch, "style": torch.from_numpy(recorded.style)})
    # Without HED and LPIPS the forward cycle is another one.
    compared = {own: theirs for own, theirs in RECORDED.items() if "cycle_A" not in theirs}
    assert len(compared) == 13
    for own, theirs in compared.items():
        assert losses[own] == pytest.approx(recorded.losses[0][theirs], rel=1e-4), own
