# SPDX-License-Identifier: Apache-2.0
"""Flask below gunicorn: three calls in turn on connections that are kept."""
import http.client
import os

from flask import Flask, request

app = Flask(__name__)
calls = [http.client.HTTPConnection("127.0.0.1", int(port)) for port in os.environ["BACKENDS"].split(",")]


@app.get("/work")
def work():
    for path, call in zip(("/one", "/two", "/three"), calls):
        call.request("GET", f"{path}?id={request.args['id']}")
        call.getresponse().read()
    return "ok\n"
