"""What the models of a run have said, and still stand by."""

from hashlib import sha256

from synapse_client.runs import RunEvent, RunRewound, TextDelta


class Transcript:
    def __init__(self) -> None:
        self._pieces: list[TextDelta] = []

    def take(self, event: RunEvent) -> None:
        match event:
            case TextDelta():
                self._pieces.append(event)
            case RunRewound(step_id=step_id, to_seq=to_seq):
                # The worker or the provider failed in the middle of this step, and it begins again.
                self._pieces = [piece for piece in self._pieces if piece.step_id != step_id or piece.seq <= to_seq]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self._pieces)

    def matches(self, text_sha256: str) -> bool:
        """Whether this is the whole text; the hash comes with RunFinished."""
        return sha256(self.text.encode()).hexdigest() == text_sha256
