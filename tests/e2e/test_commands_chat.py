"""`synapse chat`, as a process, on a server that executes runs."""

import os
import signal
from collections.abc import Sequence

from tests.servers.command import command, command_at, run
from tests.servers.process import ServerProcess
from tests.upstream.replies import Signal, failure, text
from tests.upstream.server import Upstream


def chat(server: ServerProcess, model: str, *more: str) -> Sequence[str]:
    return ("chat", "--url", server.url, "--sign-up", "--model", f"openai_compatible/{model}", *more)


async def test_it_prints_the_answer_and_how_the_run_ended(executing: ServerProcess, upstream: Upstream) -> None:
    model = upstream.serve(text("Good ", "day."))
    code, output = await run(*chat(executing, model, "--message", "Hello."))
    assert code == 0
    assert "you> Hello.\n\nGood day.\n\nSUCCEEDED: " in output
    assert output.endswith("text matches its SHA-256")


async def test_a_failed_run_fails_the_command(executing: ServerProcess, upstream: Upstream) -> None:
    model = upstream.serve(failure(400, "This model does not take messages."))
    code, output = await run(*chat(executing, model, "--message", "Hello."))
    assert code == 1
    assert "FAILED" in output
    assert "PROVIDER_FAILED: " in output


async def test_expected_failures_are_one_line(executing: ServerProcess) -> None:
    code, output = await run("chat", "--url", executing.url, "--message", "Hello.")
    assert code == 1
    assert output.startswith("synapse: ")
    assert output.endswith("(UNAUTHENTICATED)")
    assert "\n" not in output


async def test_ctrl_c_cancels_the_run(executing: ServerProcess, upstream: Upstream) -> None:
    model = upstream.serve(text("I ", "will\n").then(Signal.HANG, after=2))
    async with command(*chat(executing, model, "--message", "Hello.")) as chatting:
        await chatting.line("I will")
        chatting.interrupt()
        assert await chatting.wait() == 128 + signal.SIGINT
    assert chatting.lines[-1] == "(cancelled)"
    await (await upstream.exchange(model)).closed.wait()


async def test_a_conversation_goes_on_in_its_thread_until_ctrl_d(executing: ServerProcess, upstream: Upstream) -> None:
    model = upstream.serve(text("Hello Ada."), text("Ada."))
    keyboard, terminal = os.openpty()
    async with command_at(terminal, *chat(executing, model)) as chatting:
        await chatting.line("Ctrl-D ends")
        os.write(keyboard, b"I am Ada.\n")
        await chatting.line("SUCCEEDED")
        os.write(keyboard, b"Who am I?\n")
        await chatting.line("SUCCEEDED")
        os.write(keyboard, b"\x04")
        assert await chatting.wait() == 0
    os.close(keyboard)
    os.close(terminal)
    messages = (await upstream.exchange(model, 2)).body["messages"]
    assert [message["content"] for message in messages[1:]] == ["I am Ada.", "Hello Ada.", "Who am I?"]
