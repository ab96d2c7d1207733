"""What clients make of a run's events."""

import hashlib

from commands.transcripts import Transcript


def delta(seq: int, text: str, step: str = "step_1") -> dict[str, object]:
    return {"__typename": "TextDelta", "seq": seq, "stepId": step, "text": text}


def finished(seq: int, text: str) -> dict[str, object]:
    return {"__typename": "RunFinished", "seq": seq, "textSha256": hashlib.sha256(text.encode()).hexdigest()}


def transcript_of(*events: dict[str, object]) -> Transcript:
    transcript = Transcript()
    for event in events:
        transcript.take(event)
    return transcript


def test_the_hash_proves_that_the_whole_text_is_there() -> None:
    whole = delta(2, "Grüß "), delta(3, "Gott"), finished(4, "Grüß Gott")
    assert transcript_of(*whole).is_complete
    assert not transcript_of(whole[1], whole[2]).is_complete
    assert not transcript_of(*whole[:2]).is_complete


def test_a_rewound_step_loses_what_it_said_and_other_steps_keep_theirs() -> None:
    transcript = transcript_of(
        delta(3, "kept. "),
        delta(5, "lost", step="step_2"),
        {"__typename": "RunRewound", "seq": 6, "stepId": "step_2", "toSeq": 4},
        delta(7, "said again", step="step_2"),
        finished(8, "kept. said again"),
    )
    assert [text for _, _, text in transcript.texts] == ["kept. ", "said again"]
    assert transcript.is_complete
