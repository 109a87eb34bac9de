"""The order in which the samples of shards are seen: shuffled, and yet read in long runs.

In every pass the shards are shuffled and taken `WINDOW` at a time; the samples of such a window
are shuffled among each other, and each comes once before the next window begins. The order follows
from the seed alone, and no more than a few windows are in memory, however many samples there are.
"""

import functools

import numpy as np

# Shards that are open together: enough to mix pictures that lie side by side, few enough to keep.
WINDOW = 8


class WindowedOrder:
    """Says which sample of which shard comes when.

    Args:
        counts: how many samples each shard holds.
    """

    def __init__(self, counts: list[int]):
        self._counts = np.asarray(counts, np.int64)
        self._total = int(self._counts.sum())
        # A batch lies in one window of each set that takes its order from here, or in two.
        self._pass = functools.lru_cache(maxsize=4)(self._make_pass)
        self._window = functools.lru_cache(maxsize=4)(self._make_window)

    def place(self, seed: int, number: int, *purpose: int) -> tuple[int, int]:
        """Where the `number`-th sample lies; each sample comes once in every pass.

        Args:
            seed: of the training.
            number: counted from 0 over all passes.
            purpose: one or more numbers that part this order from others of the seed; the last is
                not 0.

        Returns:
            The number of the shard, and that of the sample in it.
        """
        turn, position = divmod(number, self._total)
        _, ends = self._pass(seed, turn, purpose)
        window = int(np.searchsorted(ends, position, side="right"))
        begin = int(ends[window - 1]) if window else 0
        shards, starts, order = self._window(seed, turn, purpose, window)
        sample = int(order[position - begin])
        at = int(np.searchsorted(starts, sample, side="right")) - 1
        return int(shards[at]), sample - int(starts[at])

    def _make_pass(self, seed, turn, purpose):
        """The shards in the order of a pass, and after how many samples each window ends."""
        shards = np.random.default_rng((seed, turn, *purpose)).permutation(len(self._counts))
        firsts = range(0, len(shards), WINDOW)
        sizes = [self._counts[shards[first : first + WINDOW]].sum() for first in firsts]
        return shards, np.cumsum(sizes)

    def _make_window(self, seed, turn, purpose, window):
        """Its shards, at which sample each begins, and the order of the samples."""
        shards = self._pass(seed, turn, purpose)[0][window * WINDOW : (window + 1) * WINDOW]
        counts = self._counts[shards]
        rng = np.random.default_rng((seed, turn, *purpose, window + 1, 1))
        order = rng.permutation(np.arange(counts.sum(), dtype=np.uint32))
        return shards, np.cumsum(counts) - counts, order
