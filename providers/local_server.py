"""The child process of provider ``local``: llama.cpp's HTTP server on a free port of 127.0.0.1.

Run as a script: ``python local_server.py WEIGHTS SLOTS CONTEXT_TOKENS``, with the API key that it is to ask for as the
first line of its input. It answers with one line, its address, once the model is loaded, and lives until its input
ends: when the parent closes the pipe, and also when the parent is killed.
"""

import os
import sys

import xllamacpp  # type: ignore[import-untyped]


def main() -> None:
    weights, slots, context_tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [sys.stdin.readline().strip()]  # else any web page open in a browser here could use the model
    params.n_parallel = slots
    params.n_ctx = slots * context_tokens
    leave_processors_to_others(params)
    params.fit_params = False  # fitting the context to the free memory takes seconds, and ours is fixed
    params.cache_ram_mib = 0  # a cache of prompts that may grow to 8 GiB
    params.ui = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    silence()
    sys.stdin.read()
    os._exit(0)  # without waiting for answers that nobody reads any more


def leave_processors_to_others(params: xllamacpp.CommonParams) -> None:
    """Use half of the processors, and give way there: the parent's event loop and its database go first.

    llama.cpp's threads wait for each other in busy loops, so that on processors that others use too, two of them are
    several times slower than one.
    """
    os.nice(5)
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads


def silence() -> None:
    """Send what the server says from now on nowhere: nobody reads the pipes any more, and a full one blocks."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())


if __name__ == "__main__":
    main()
