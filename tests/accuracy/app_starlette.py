# SPDX-License-Identifier: Apache-2.0
"""Starlette on uvicorn and asyncio, calling by httpx: three calls at once, then one more."""
import asyncio
import contextlib
import os

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

backends = os.environ["BACKENDS"].split(",")


async def call(client, path, backend, number):
    response = await client.get(f"http://127.0.0.1:{backend}{path}", params={"id": number})
    response.raise_for_status()


async def work(request):
    client, number = request.app.state.client, request.query_params["id"]
    await asyncio.gather(*(call(client, p, b, number) for p, b in zip(("/one", "/two", "/three"), backends)))
    await call(client, "/one", backends[0], number)
    return PlainTextResponse("ok\n")


@contextlib.asynccontextmanager
async def lifespan(app):
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=60) as app.state.client:
        yield


app = Starlette(routes=[Route("/work", work)], lifespan=lifespan)
