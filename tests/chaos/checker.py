"""What must be so after every fault: of each run by its log, its reader, its bill and its provider."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from core.ids import IdPrefix, decode
from models.database import open_connection
from tests.chaos.load import Accepted, Load
from tests.chaos.readers import Reader
from tests.client import Json

Row = Mapping[str, Any]
BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Told:
    """One event, as the log has it or as a reader got it. ``says``: what must be the same in both.

    ``at``: when it happened, in seconds since 1970.
    """

    type: str
    first_seq: int
    seq: int
    step_id: UUID | None
    says: str
    at: float = field(compare=False)


@dataclass(frozen=True)
class Record:
    """What the database holds of one run."""

    run: Row
    log: list[Told]
    steps: list[Row]
    calls: list[Row]
    answers: list[Row]


@dataclass(frozen=True)
class Lag:
    """How late a stretch of text came to its reader, in seconds, and when it was said, in seconds since 1970."""

    said_at: float
    seconds: float


@dataclass(frozen=True)
class Findings:
    """Over the runs of a load. Tokens are those of answers that were completed; lags, those of readers who stayed."""

    runs: int
    delivered: int
    recorded: int
    rewinds: int
    lags: list[Lag]


async def check_runs(load: Load) -> Findings:
    """What there is to say of the runs of a load that is over.

    Raises:
        AssertionError: with everything that is not as promised.
    """
    records = await _read_records(load)
    readers = {reader.run_id: reader for reader in load.readers}
    asked = {accepted.run["id"]: accepted for accepted in load.accepted}
    problems: list[str] = []
    known = {decode(IdPrefix.RUN, run_id) for run_id in asked}
    if known != records.keys():
        problems.append(f"{len(known)} runs were accepted, and there are {len(records)}")
    for run_id, accepted in asked.items():
        record = records[decode(IdPrefix.RUN, run_id)]
        found = [*_problems_of_run(record, accepted, run_id in load.cancelled), *_problems_of_bill(record)]
        found += _problems_of_provider(load, record, accepted)
        if run_id in readers:
            found += _problems_of_reader(record, readers[run_id])
        problems += [f"{run_id}: {problem}" for problem in found]
    assert not problems, "\n".join(problems)
    return _findings(records, load.readers)


def _findings(by_id: Mapping[UUID, Record], readers: Sequence[Reader]) -> Findings:
    records = list(by_id.values())
    complete = [(record, call) for record in records for call in record.calls if call["status"] == "SUCCEEDED"]
    steady = [(by_id[decode(IdPrefix.RUN, reader.run_id)], reader) for reader in readers if reader.connections == 1]
    return Findings(
        runs=len(records),
        delivered=sum(len(_attempts(record.log)[-1]) // BYTES_PER_TOKEN for record, _ in complete),
        recorded=sum(call["output_tokens"] for _, call in complete),
        rewinds=sum(told.type == "RunRewound" for record in records for told in record.log),
        lags=[lag for record, reader in steady for lag in _lags(record, reader)],
    )


def _lags(record: Record, reader: Reader) -> Iterator[Lag]:
    """Piece by piece as they were logged, however they were merged for the reader: merging makes late, too."""
    arrivals = iter(zip(reader.events, reader.arrivals, strict=True))
    event, arrived_at = next(arrivals)
    for told in record.log:
        while event["seq"] < told.seq:
            event, arrived_at = next(arrivals)
        if told.type == "TextDelta" and told.at > reader.joined_at:
            yield Lag(told.at, arrived_at - told.at)


def _problems_of_run(record: Record, accepted: Accepted, may_be_cancelled: bool) -> list[str]:
    """One final state, a log without a gap that ends with it, and a text that is what the provider said."""
    run, log = record.run, record.log
    finishes = [told for told in log if told.type == "RunFinished"]
    if run["status"] != "SUCCEEDED" and not (may_be_cancelled and run["status"] == "CANCELLED"):
        return [f"ended as {run['status']} ({run['failure_message']})"]
    problems = _gaps(log)
    if finishes != log[-1:] or log[0].type != "RunStarted":
        problems.append(f"the log is {[told.type for told in log]}")
        return problems
    text = _standing(log)
    if finishes[0].says != f"{run['status']} {sha256(text.encode()).hexdigest()}":
        problems.append("the SHA-256 is not that of the text after rewinds")
    if run["status"] == "SUCCEEDED" and not (text == run["output_text"] == accepted.speech.text):
        problems.append(f"the text is {text!r}")
    if not accepted.speech.text.startswith(text):
        problems.append("the text is not what the provider said")
    if [answer["text"] for answer in record.answers] != ([text] if text else []):
        problems.append("the thread has another answer than the log")
    if any(step["finished_at"] is None for step in record.steps):
        problems.append("a step never ended")
    return problems


def _problems_of_reader(record: Record, reader: Reader) -> list[str]:
    problems = [f"its reader: {gap}" for gap in reader.gaps]
    if _merged(map(_told_to_reader, reader.events)) != _merged(record.log):
        problems.append("its reader got something else than the log has")
    return problems


def _problems_of_bill(record: Record) -> list[str]:
    """Every token that was shown is on the bill, those of attempts that were taken back included."""
    shown = [len(text) // BYTES_PER_TOKEN for text in _attempts(record.log)]
    billed = [call["output_tokens"] for call in record.calls]
    if any(call["status"] == "RUNNING" for call in record.calls):
        return ["a model call never ended"]
    return [] if sum(billed) == sum(shown) else [f"{billed} tokens were recorded, and {shown} shown"]


def _problems_of_provider(load: Load, record: Record, accepted: Accepted) -> list[str]:
    """No more is on the bill than the provider delivered, and no finished step was repeated."""
    exchanges = load.exchanges(accepted)
    length = len(accepted.speech.tokens)
    delivered = sum(min(exchange.writes, length) for exchange in exchanges)
    billed = sum(call["output_tokens"] for call in record.calls)
    problems = []
    if billed > delivered:
        problems.append(f"{billed} tokens were recorded, and {delivered} delivered")
    if len(exchanges) > len(_attempts(record.log)):
        problems.append(f"the provider was asked {len(exchanges)} times, for {len(_attempts(record.log))} attempts")
    complete = [call["output_tokens"] for call in record.calls if call["status"] == "SUCCEEDED"]
    if record.run["status"] == "SUCCEEDED" and complete != [length]:
        problems.append(f"of {length} tokens {complete} were recorded")
    return problems


def _gaps(log: Sequence[Told]) -> list[str]:
    last, gaps = 0, []
    for told in log:
        if told.first_seq != last + 1:
            gaps.append(f"the log goes on with {told.first_seq} after {last}")
        last = told.seq
    return gaps


def _standing(log: Sequence[Told]) -> str:
    """The text after rewinds, by the rule that the API gives to its clients."""
    pieces: list[Told] = []
    for told in log:
        if told.type == "TextDelta":
            pieces.append(told)
        elif told.type == "RunRewound":
            to_seq = int(told.says.split()[0])
            pieces = [piece for piece in pieces if piece.step_id != told.step_id or piece.seq <= to_seq]
    return "".join(piece.says for piece in pieces)


def _attempts(log: Sequence[Told]) -> list[str]:
    """What was said in each attempt of the run's one step."""
    attempts: list[str] = []
    for told in log:
        if told.type in ("StepStarted", "RunRewound"):
            attempts.append("")
        elif told.type == "TextDelta":
            attempts[-1] += told.says
    return attempts


def _merged(log: Iterable[Told]) -> list[Told]:
    """With adjacent deltas joined, however they were cut."""
    merged: list[Told] = []
    for told in log:
        last = merged[-1] if merged else None
        if last and last.type == told.type == "TextDelta" and last.step_id == told.step_id:
            merged[-1] = replace(last, seq=told.seq, says=last.says + told.says, at=told.at)
        else:
            merged.append(told)
    return merged


def _told_to_reader(event: Json) -> Told:
    seq: int = event["seq"]
    step_id = event.get("stepId") or event.get("step", {}).get("id")
    match event["__typename"]:
        case "TextDelta":
            says = event["text"]
        case "RunRewound":
            says = f"{event['toSeq']} {event['attempt']}"
        case "RunFinished":
            says = f"{event['run']['status']} {event['textSha256']}"
        case _:
            says = ""
    step = decode(IdPrefix.RUN_STEP, step_id) if step_id else None
    return Told(
        event["__typename"],
        event.get("firstSeq", seq),
        seq,
        step,
        says,
        datetime.fromisoformat(event["at"]).timestamp(),
    )


def _told_by_log(row: Row) -> Told:
    payload = orjson.loads(row["payload"])
    match row["type"]:
        case "TextDelta":
            says = payload["text"]
        case "RunRewound":
            says = f"{payload['to_seq']} {payload['attempt']}"
        case "RunFinished":
            says = f"{payload['run']['status']} {payload['text_sha256']}"
        case _:
            says = ""
    return Told(row["type"], row["first_seq"], row["seq"], row["step_id"], says, row["at"].timestamp())


async def _read_records(load: Load) -> dict[UUID, Record]:
    """Of all runs in the load's workspace."""
    workspace_id = decode(IdPrefix.WORKSPACE, load.member.workspace_id)
    connection = await open_connection(load.cluster.database_url)

    async def rows(table: str, order: str, where: str = "") -> list[Row]:
        sql = f"SELECT * FROM {table} WHERE workspace_id = $1 {where} ORDER BY {order}"
        return [dict(row) for row in await connection.fetch(sql, workspace_id)]

    try:
        runs, log = await rows("runs", "id"), await rows("run_events", "run_id, seq")
        steps, calls = await rows("run_steps", "position"), await rows("llm_calls", "id")
        answers = await rows("messages", "position", "AND role = 'ASSISTANT'")
    finally:
        await connection.close()

    def of(run: Row, table: list[Row]) -> list[Row]:
        return [row for row in table if row["run_id"] == run["id"]]

    return {
        run["id"]: Record(run, list(map(_told_by_log, of(run, log))), of(run, steps), of(run, calls), of(run, answers))
        for run in runs
    }
