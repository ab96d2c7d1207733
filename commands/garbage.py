"""Python's collector of cycles, set for processes that live long and have many connections wait while it collects."""

import gc

THRESHOLDS = 5_000, 80, 20
"""How many more objects there may be than at the last collection before the young ones are looked at, which takes some
2 ms: what has ended is gone by itself, so these are most often of what goes on. And how often that happens before older
ones are.
"""


def spare_what_is_loaded() -> None:
    """Once all is loaded: it stays, and collections, which would look at all of it again, leave it out."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
