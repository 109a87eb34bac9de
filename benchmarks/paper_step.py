"""The asymmetric cycle's training step as its paper describes it, in torch: to compare speeds.

    python benchmarks/paper_step.py --size 512 --filters 16

Rebuilt from Yi et al., CVPR 2020, and what is known of its code: two ResNet generators, five
PatchGAN discriminators, instance normalization without weights, pools of 50, Adam, float32, tensors
as torch lays them out by default. The forward cycle compares pixels: the frozen edge detector and
LPIPS are left out. It needs torch alone, so that the interpreter of another environment can run it.

It answers on standard output: after it is built `ready`, then for each line that it reads a step,
and a line of JSON: the seconds of that step, those of all cores together, and the most memory held
so far, in MB.
"""

import argparse
import itertools
import json
import random
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional

PARTS = ("eyes", "nose", "lips")
STYLES = 3
POOL = 50


def convolution(before, after, kernel, stride=1, padding=0, bend=True):
    """Convolution, instance normalization, and a ReLU where `bend`."""
    layers = [nn.Conv2d(before, after, kernel, stride, padding), nn.InstanceNorm2d(after)]
    return [*layers, nn.ReLU(True)] if bend else layers


class Block(nn.Module):
    """Two convolutions with reflection padding, added to what came in."""

    def __init__(self, width):
        super().__init__()
        self.way = nn.Sequential(
            *(nn.ReflectionPad2d(1), *convolution(width, width, 3)),
            *(nn.ReflectionPad2d(1), *convolution(width, width, 3, bend=False)),
        )

    def forward(self, x):
        """Features (N, C, H, W) to the same shape."""
        return x + self.way(x)


class Generator(nn.Module):
    """ResNet of nine blocks; with styles, their map joins the features at a quarter of the size."""

    def __init__(self, before, after, width, styles=0):
        super().__init__()
        wide = 4 * width
        self.encoder = nn.Sequential(
            *(nn.ReflectionPad2d(3), *convolution(before, width, 7)),
            *convolution(width, 2 * width, 3, 2, 1),
            *convolution(2 * width, wide, 3, 2, 1),
        )
        merging = convolution(wide + styles, wide, 3, 1, 1) if styles else []
        self.middle = nn.Sequential(*merging, *(Block(wide) for _ in range(9)))
        up = [
            (nn.ConvTranspose2d(2 * c, c, 3, 2, 1, 1), nn.InstanceNorm2d(c), nn.ReLU(True))
            for c in (2 * width, width)
        ]
        self.decoder = nn.Sequential(
            *itertools.chain(*up), nn.ReflectionPad2d(3), nn.Conv2d(width, after, 7), nn.Tanh()
        )

    def forward(self, x, style=None):
        """Pictures (N, C, H, W) in [-1, 1], and style (N, 3), to pictures."""
        x = self.encoder(x)
        if style is not None:
            plane = style[:, :, None, None].expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, plane], 1)
        return self.decoder(self.middle(x))


class Discriminator(nn.Module):
    """PatchGAN; with a size, a second head tells the style."""

    def __init__(self, before, width, size=0):
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(before, width, 4, 2, 1), nn.LeakyReLU(0.2, True)),
            *(*self._normalized(width, 2 * width, 2), *self._normalized(2 * width, 4 * width, 2)),
        )
        self.patches = nn.Sequential(
            *self._normalized(4 * width, 8 * width, 1), nn.Conv2d(8 * width, 1, 4, 1, 1)
        )
        self.styles = None
        if size:
            self.styles = nn.Sequential(
                *self._normalized(4 * width, 8 * width, 2),
                *self._normalized(8 * width, 8 * width, 2),
                nn.Conv2d(8 * width, STYLES, size // 32),
            )

    @staticmethod
    def _normalized(before, after, stride):
        layers = convolution(before, after, 4, stride, 1, bend=False)
        return [*layers, nn.LeakyReLU(0.2, True)]

    def forward(self, x):
        """Pictures to patch scores, and to style logits (N, 3) or None."""
        x = self.trunk(x)
        return self.patches(x), None if self.styles is None else self.styles(x).flatten(1)


class Pool:
    """The last fakes; full from the beginning, as it is for nearly all of a training."""

    def __init__(self, shape):
        self.pictures = [torch.ones(shape) for _ in range(POOL)]

    def exchange(self, fresh):
        """With probability one half an older picture, in whose place the fresh one is kept."""
        if random.random() < 0.5:
            return fresh
        place = random.randrange(POOL)
        self.pictures[place], old = fresh.clone(), self.pictures[place]
        return old


class PaperStep:
    """All networks, and the step.

    Args:
        size: height and width of the pictures in pixels, a multiple of 32.
        width: channels after the first convolution of each network.
        progress: share of the training that is done, of the weights of the cycles.
        rate: learning rate of both optimizers.
    """

    def __init__(self, size, width, progress=0.5, rate=2e-4):
        self.progress = progress
        self.generator = Generator(3, 1, width, STYLES)
        self.inverse_generator = Generator(1, 3, width)
        self.drawing_disc = Discriminator(1, width, size)
        self.photo_disc = Discriminator(3, width)
        self.part_discs = {part: Discriminator(2, width) for part in PARTS}
        self.discs = [self.drawing_disc, self.photo_disc, *self.part_discs.values()]
        generators = [*self.generator.parameters(), *self.inverse_generator.parameters()]
        judges = [weight for disc in self.discs for weight in disc.parameters()]
        for weight in (*generators, *judges):
            nn.init.normal_(weight, 0.0, 0.02) if weight.ndim == 4 else nn.init.zeros_(weight)
        self.optimizers = [torch.optim.Adam(w, rate, (0.5, 0.999)) for w in (generators, judges)]
        self.pools = Pool((1, 1, size, size)), Pool((1, 3, size, size))

    def step(self, batch):
        """One update of both generators, then one of all discriminators.

        Args:
            batch: photo (1, 3, H, W) and drawing (1, 1, H, W) in [-1, 1], style (1, 3), masks
                photo_PART and drawing_PART (1, 1, H, W) in [0, 1].

        Returns:
            Every loss by name, with its weight, as floats.
        """
        values, drawing, photo = self._generator_losses(batch)
        self._update(0, values)
        pooled = self.pools[0].exchange(drawing.detach()), self.pools[1].exchange(photo.detach())
        disc_values = self._discriminator_losses(batch, *pooled)
        self._update(1, disc_values)
        return {name: float(value.detach()) for name, value in (values | disc_values).items()}

    def _generator_losses(self, batch):
        for disc in self.discs:
            disc.requires_grad_(False)
        photo, style = batch["photo"], batch["style"]
        drawing, fake_photo = self.generator(photo, style), self.inverse_generator(batch["drawing"])
        scores, logits = self.drawing_disc(drawing)
        back = self.generator(fake_photo, style)
        coarse = ((drawing.detach() + 1) * 31.875).floor() / 31.875 - 1
        share = 0.9 * self.progress
        values = {
            "g_adversarial": squared(scores, 1),
            "g_style": functional.cross_entropy(logits, style),
            "f_adversarial": squared(self.photo_disc(fake_photo)[0], 1),
            "relaxed_cycle": 5 * (1 - share) * distance(self.inverse_generator(drawing), photo),
            "truncated_cycle": 5 * share * distance(self.inverse_generator(coarse), photo),
            "strict_cycle": 5 * distance(back, batch["drawing"]),
        }
        for part, disc in self.part_discs.items():
            seen = disc(masked(drawing, batch[f"photo_{part}"]))[0]
            values[f"g_{part}"] = 0.5 * squared(seen, 1)
        return values, drawing, fake_photo

    def _discriminator_losses(self, batch, drawing, photo):
        for disc in self.discs:
            disc.requires_grad_(True)
        real, real_style = self.drawing_disc(batch["drawing"])
        fake, fake_style = self.drawing_disc(drawing)
        crossed = [functional.cross_entropy(x, batch["style"]) for x in (real_style, fake_style)]
        photo_scores = self.photo_disc(batch["photo"])[0], self.photo_disc(photo)[0]
        values = {
            "d_drawing": 0.5 * (squared(real, 1) + squared(fake, 0)),
            "d_style": 0.5 * sum(crossed),
            "d_photo": 0.5 * (squared(photo_scores[0], 1) + squared(photo_scores[1], 0)),
        }
        for part, disc in self.part_discs.items():
            real = disc(masked(batch["drawing"], batch[f"drawing_{part}"]))[0]
            fake = disc(masked(drawing, batch[f"photo_{part}"]))[0]
            values[f"d_{part}"] = 0.5 * (squared(real, 1) + squared(fake, 0))
        return values

    def _update(self, which, values):
        self.optimizers[which].zero_grad()
        sum(values.values()).backward()
        self.optimizers[which].step()


def squared(scores, target):
    """Mean squared difference from a number."""
    return (scores - target).square().mean()


def distance(a, b):
    """Mean absolute difference."""
    return (a - b).abs().mean()


def masked(drawing, mask):
    """White outside the mask, and the mask as a second channel."""
    return torch.cat([drawing * mask + 1 - mask, mask], 1)


def invented_batch(size):
    """Noise of the shapes of a batch."""
    plane = (1, 1, size, size)
    batch = {"photo": torch.rand(1, 3, size, size) * 2 - 1, "drawing": torch.rand(plane) * 2 - 1}
    batch["style"] = torch.eye(STYLES)[:1]
    masks = {f"{kind}_{part}": torch.rand(plane).round() for kind in batch for part in PARTS}
    return batch | {name: mask for name, mask in masks.items() if not name.startswith("style")}


def main():
    """Answers each line with a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--filters", type=int, default=64)
    options = parser.parse_args()
    model, batch = PaperStep(options.size, options.filters), invented_batch(options.size)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter(), time.process_time()
        model.step(batch)
        seconds, processor = time.perf_counter() - started[0], time.process_time() - started[1]
        # Kilobytes on Linux, bytes on macOS.
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        memory /= 1024**2 if sys.platform == "darwin" else 1024
        told = {"seconds": seconds, "processor": processor, "memory": memory}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
