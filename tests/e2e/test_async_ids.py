# SPDX-License-Identifier: Apache-2.0
"""For which request Node.js makes a call that it has put off, by its own word."""

import pytest

from harness import Program, wait_until
from nodes import NODES
from parents import linked_calls

REQUESTS, AT_A_TIME = 400, 8
# Behind: a server that answers after some milliseconds. Before: one that puts off each call to the end of a round of its loop, in another order than the requests'.
PROGRAM = """
const http = require('http');
const [behind] = process.argv.slice(1);
const agent = new http.Agent({ keepAlive: true });

function call(path) {
  return new Promise((done, failed) => {
    const put = () => http.get({ agent, host: '127.0.0.1', port: behind, path }, (res) => res.resume().on('end', done)).on('error', failed);
    if (path.charCodeAt(path.length - 1) % 2) setImmediate(put); else put();
  });
}

const server = http.createServer(async (req, res) => {
  if (behind) {
    await Promise.all([call(`${req.url}/0`), call(`${req.url}/1`)]);
    await call(`${req.url}/2`);
    await call(`${req.url}/3`);
  } else {
    await new Promise((done) => setTimeout(done, 1 + (req.url.length * 7 + req.url.charCodeAt(1)) % 5));
  }
  res.end('ok');
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


def serve(started, folder, argv, name, *args):
    program = started(Program(folder, name, [*argv, "-e", PROGRAM, *map(str, args)]))
    program.port = int(wait_until(lambda: "\n" in program.out() and program.out(), "its port"))
    return program


def judge(folder, started, attach, argv, *options):
    """Spans of calls whose parent is right, and not known; none is wrong."""
    server = serve(started, folder, argv, "before", serve(started, folder, argv, "behind").port)
    tracer = attach("-p", server.pid, *options)
    linked = linked_calls(tracer, server.port, REQUESTS, 4, AT_A_TIME)
    return len(linked), {c["evidence"] for c in linked}


@pytest.mark.parametrize("node", NODES)
def test_calls_put_off(node, folder, started, attach):
    right, evidence = judge(folder, started, attach, NODES[node]())
    assert right > 0.95 * 4 * REQUESTS
    assert {"turn", "async-id"} <= evidence


def test_calls_put_off_unseen(folder, started, attach):
    right, evidence = judge(folder, started, attach, NODES["installed"](), "--node-async-ids", "off")
    assert right < 0.9 * 4 * REQUESTS and "async-id" not in evidence
