# SPDX-License-Identifier: Apache-2.0
"""aiohttp: three calls at once, then one more."""
import asyncio
import sys

import aiohttp
from aiohttp import web

port, *backends = map(int, sys.argv[1:])


async def call(session, path, backend, number):
    async with session.get(f"http://127.0.0.1:{backend}{path}?id={number}") as response:
        await response.read()


async def work(request):
    session, number = request.app["session"], request.query["id"]
    await asyncio.gather(*(call(session, p, b, number) for p, b in zip(("/one", "/two", "/three"), backends)))
    await call(session, "/one", backends[0], number)
    return web.Response(text="ok\n")


async def start(app):
    app["session"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


app = web.Application()
app.on_startup.append(start)
app.router.add_get("/work", work)
web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)
