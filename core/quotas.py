"""How many of something somebody has at once."""

from collections import Counter


class Quota:
    """Counts what each name holds in this process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many names hold anything."""
        return len(self._held)

    def enter(self, name: str, most: int) -> bool:
        """Counts one more, unless ``name`` has ``most`` of them already; whether it did. ``leave`` takes it back."""
        if self._held[name] >= most:
            return False
        self._held[name] += 1
        return True

    def leave(self, name: str) -> None:
        """One less, of what was entered."""
        self._held[name] -= 1
        if not self._held[name]:
            del self._held[name]
