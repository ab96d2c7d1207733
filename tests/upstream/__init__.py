"""A fake model provider on a real loopback socket: OpenAI's chat-completions wire format, scripted request by request.

::

    async with run_upstream() as upstream:
        model = upstream.serve(text("Hel", "lo").pausing(0.01))   # a fresh model name that answers so
        ...                                                       # point a client at upstream.base_url
        exchange = await upstream.exchange(model)                 # what was asked, once it was asked
        await asyncio.wait_for(exchange.closed.wait(), 5)         # the client hung up in the midst of the answer

`replies` has the answers to compose, `server` what serves them and takes notes. The server lives on the event loop of
the test, so a test that uses it must not block that loop; clients may be in any process.
"""
