"""How often a visitor of the web view may ask."""

import ipaddress
import threading
from collections import OrderedDict
from time import monotonic

# Visitors that are remembered. Who has been away for longest is forgotten first, and then has the
# whole burst again.
_MOST_VISITORS = 1024


class RateLimit:
    """So many events at once for each visitor, and then so many a second (a token bucket).

    Args:
        burst: events at once.
        per_second: events a second after that.
    """

    def __init__(self, burst: int, per_second: float):
        self._burst, self._per_second = burst, per_second
        self._lock = threading.Lock()
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how much of it, when

    def is_spent(self, visitor: str) -> bool:
        """Whether a visitor has to wait."""
        with self._lock:
            return self._spent(visitor, monotonic()) > self._burst - 1

    def take(self, visitor: str) -> bool:
        """Counts an event, unless the visitor has to wait; returns whether it may be."""
        with self._lock:
            now = monotonic()
            spent = self._spent(visitor, now)
            allowed = spent <= self._burst - 1
            self._used[visitor] = spent + allowed, now
            self._used.move_to_end(visitor)
            if len(self._used) > _MOST_VISITORS:
                self._used.popitem(last=False)
            return allowed

    def _spent(self, visitor: str, now: float) -> float:
        used, then = self._used.get(visitor, (0.0, now))
        return max(0.0, used - (now - then) * self._per_second)


def visitor_of(address: str) -> str:
    """Who asks: an IPv4 address, or the half of an IPv6 address that one household shares."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.version == 4:
        return str(ip)
    return str(ipaddress.ip_network((int(ip), 64), strict=False))
