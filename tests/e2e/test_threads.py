"""Conversations and what was said in them, as clients see them."""

from typing import Any

import pytest

from tests.accounts import Member
from tests.client import Json
from tests.operations import START_RUN, answer, complete_run, create_agent, start_run, unknown_id

THREAD = """query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  thread(id: $id) {
    id title createdAt
    messages(first: $first, after: $after, last: $last, before: $before) {
      edges { cursor node { id } }
      nodes { id role text partial createdAt run { id status } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}"""
RUNS = """query ($id: ID!, $first: Int, $after: String) {
  thread(id: $id) { runs(first: $first, after: $after) { totalCount nodes { id } pageInfo { endCursor } } }
}"""
THREADS = """query ($id: ID!, $first: Int, $after: String) {
  workspace(id: $id) {
    threads(first: $first, after: $after) { totalCount nodes { id title } pageInfo { hasNextPage endCursor } }
  }
}"""


async def conversation(member: Member, *said: str) -> tuple[str, list[Json]]:
    """A thread in which an echo answers, and its runs."""
    agent = await create_agent(member)
    runs = [await complete_run(member, agent, said[0])]
    thread_id = runs[0]["thread"]["id"]
    for message in said[1:]:
        runs.append(await complete_run(member, agent, message, threadId=thread_id))
    return thread_id, runs


async def messages(member: Member, thread_id: str, **arguments: Any) -> Json:
    page: Json = (await member.client.execute(THREAD, id=thread_id, **arguments))["thread"]["messages"]
    return page


def texts(page: Json) -> list[str]:
    return [message["text"] for message in page["nodes"]]


async def test_messages_read_as_the_conversation_went(ada: Member) -> None:
    thread_id, runs = await conversation(ada, "One", "Two")
    page = await messages(ada, thread_id)
    assert [(m["role"], m["text"], m["partial"], m["run"]["id"]) for m in page["nodes"]] == [
        ("USER", "One", False, runs[0]["id"]),
        ("ASSISTANT", "One", False, runs[0]["id"]),
        ("USER", "Two", False, runs[1]["id"]),
        ("ASSISTANT", "Two", False, runs[1]["id"]),
    ]
    assert [edge["node"]["id"] for edge in page["edges"]] == [message["id"] for message in page["nodes"]]


async def test_a_message_queued_behind_an_answer_stands_after_it(ada: Member) -> None:
    agent = await create_agent(ada)
    first = await start_run(ada, agent, "One")
    last = await complete_run(ada, agent, "Two", threadId=first["thread"]["id"])
    assert texts(await messages(ada, last["thread"]["id"])) == ["One", "One", "Two", "Two"]


async def test_messages_are_paged_from_both_ends(ada: Member) -> None:
    thread_id, _ = await conversation(ada, "a", "b", "c")
    everything = ["a", "a", "b", "b", "c", "c"]
    page = await messages(ada, thread_id, first=4)
    assert texts(page) == everything[:4]
    info = page["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    assert (info["startCursor"], info["endCursor"]) == (page["edges"][0]["cursor"], page["edges"][3]["cursor"])
    assert texts(await messages(ada, thread_id, first=4, after=info["endCursor"])) == everything[4:]

    page = await messages(ada, thread_id, last=2)
    assert texts(page) == everything[4:]
    assert page["pageInfo"]["hasPreviousPage"] is True
    earlier = await messages(ada, thread_id, last=3, before=page["pageInfo"]["startCursor"])
    assert texts(earlier) == everything[1:4]
    assert texts(await messages(ada, thread_id, last=3, before=earlier["pageInfo"]["startCursor"])) == everything[:1]
    assert texts(await messages(ada, thread_id, first=1, last=2)) == everything[4:], "last counts instead of first"
    assert texts(await messages(ada, thread_id, before=page["pageInfo"]["startCursor"])) == everything[:4]
    assert texts(await messages(ada, thread_id, first=None)) == everything


@pytest.mark.parametrize("arguments", [{"last": 0}, {"last": 101}, {"first": 1000}, {"before": "x"}, {"after": "é"}])
async def test_a_page_of_messages_that_cannot_be_is_a_validation_error(ada: Member, arguments: dict[str, Any]) -> None:
    thread_id = (await start_run(ada, await create_agent(ada)))["thread"]["id"]
    result = await ada.client.send(THREAD, id=thread_id, **arguments)
    [error] = result.errors
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("VALIDATION_FAILED", list(arguments))


async def test_a_thread_is_named_after_its_first_message(ada: Member) -> None:
    agent = await create_agent(ada)
    run = await start_run(ada, agent, " What is\n a  thread? ")
    assert run["thread"]["title"] == "What is a thread?"
    again = await start_run(ada, agent, "More", threadId=run["thread"]["id"])
    assert again["thread"] == run["thread"]
    title = (await start_run(ada, agent, "w" * 500))["thread"]["title"]
    assert (len(title), title[-1]) == (80, "…")


async def test_threads_and_their_runs_are_paged_newest_first(ada: Member) -> None:
    agent = await create_agent(ada)
    threads = [(await start_run(ada, agent))["thread"]["id"] for _ in range(4)]
    first = (await ada.client.execute(THREADS, id=ada.workspace_id, first=3))["workspace"]["threads"]
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (4, True)
    after = first["pageInfo"]["endCursor"]
    rest = (await ada.client.execute(THREADS, id=ada.workspace_id, first=3, after=after))["workspace"]["threads"]
    assert [node["id"] for node in first["nodes"] + rest["nodes"]] == threads[::-1]

    runs = [(await start_run(ada, agent, threadId=threads[0]))["id"] for _ in range(3)]
    page = (await ada.client.execute(RUNS, id=threads[0], first=2))["thread"]["runs"]
    assert (page["totalCount"], [node["id"] for node in page["nodes"]]) == (4, runs[:0:-1])
    after = page["pageInfo"]["endCursor"]
    rest = (await ada.client.execute(RUNS, id=threads[0], first=2, after=after))["thread"]["runs"]
    assert rest["nodes"][0]["id"] == runs[0]


async def test_an_unknown_thread_is_not_gone_on_with(ada: Member) -> None:
    agent = await create_agent(ada)
    run = await start_run(ada, agent)
    for thread_id in (unknown_id(run["thread"]["id"]), run["id"], "", "x"):
        refused = await answer(ada.client, START_RUN, agentId=agent["id"], message="Hi", threadId=thread_id)
        assert (refused["__typename"], refused["path"]) == ("NotFoundError", ["input", "threadId"])
