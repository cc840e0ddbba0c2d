# SPDX-License-Identifier: Apache-2.0
"""Which task of Python's asyncio makes a call, by the interpreter's own word, whichever keeps it where."""

import pytest

from harness import Program, wait_until
from parents import linked_calls
from pythons import PYTHONS

REQUESTS, AT_A_TIME = 200, 8
# Behind: a server that answers. Before, with as many requests open at a time as AT_A_TIME: one with a task for each request, which makes two calls in tasks and then one itself.
PROGRAM = """
import asyncio, sys
behind = sys.argv[1:]

async def call(path):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(behind[0]))
    writer.write(f"GET {path} HTTP/1.1\\r\\nHost: b\\r\\nConnection: close\\r\\n\\r\\n".encode())
    await reader.read()
    writer.close()

async def answer(path, writer):
    if behind:
        await all_open.wait()
        await asyncio.gather(*(asyncio.create_task(call(f"{path}/{i}")) for i in range(2)))
        await call(f"{path}/2")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")

async def serve(reader, writer):
    head = await reader.readuntil(b"\\r\\n\\r\\n")
    await asyncio.create_task(answer(head.split()[1].decode(), writer))
    writer.close()

async def main():
    global all_open
    all_open = asyncio.Barrier(%d)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
""" % AT_A_TIME


@pytest.mark.parametrize("python", PYTHONS)
def test_calls_of_tasks(python, folder, started, attach):
    argv, env = PYTHONS[python](folder)

    def serve(name, *args):
        program = started(Program(folder, name, [*argv, "-c", PROGRAM, *map(str, args)], env=env))
        program.port = int(wait_until(lambda: "\n" in program.out() and program.out(), "its port"))
        return program

    server = serve("before", serve("behind").port)
    tracer = attach("-p", server.pid)
    assert len(linked_calls(tracer, server.port, REQUESTS, 3, AT_A_TIME)) == 3 * REQUESTS
