# SPDX-License-Identifier: Apache-2.0
"""
What the order service calls: users, products and the inventory. An order has the number of its user and its product; each line
of the output is the port of a caller and the number that it sent, in the order of its requests.
"""

import asyncio
import random
import re
import sys

ANSWER = b'{"id":%d,"products":[{"id":%d,"price":1}],"reservation_id":"r%d"}'
LENGTH = re.compile(rb"content-length: (\d+)", re.I)
NUMBER = re.compile(rb'(?:/users/|"product_ids?":\[?)(\d+)')


class Backend(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.received = transport, b""

    def data_received(self, data):
        self.received += data
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or length and len(body) < int(length[1]):
            return
        number = int(NUMBER.search(self.received)[1])
        self.received = b""
        print(self.transport.get_extra_info("peername")[1], number, flush=True)
        asyncio.get_running_loop().call_later(random.uniform(0, 0.004), self.answer, ANSWER % (number, number, number))

    def answer(self, body):
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main():
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
