"""How long to wait between tries."""

import random


def backoff_s(failures: int) -> float:
    """Seconds to wait after that many failures in a row, from 0: doubling up to half a second, half of it random."""
    return min(0.02 * 2.0 ** min(failures, 10), 0.5) * random.uniform(0.5, 1.0)
