"""Python's collector of cycles, set for processes that live long and have many connections wait while it collects."""

import gc

THRESHOLDS = 20_000, 20, 20
"""How many more objects there may be than at the last collection before the young ones are looked at, of which nearly
all are gone by themselves by then; and how often that happens before older ones are.
"""


def spare_what_is_loaded() -> None:
    """Once all is loaded: it stays, and collections, which would look at all of it again, leave it out."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
