# SPDX-License-Identifier: Apache-2.0
"""A Flask application for gunicorn: the files of the other servers, and an echo."""

import os

from flask import Flask, abort, request

app = Flask(__name__)


@app.get("/<name>")
def file(name):
    try:
        with open(os.path.join(os.environ["WWW"], name), "rb") as f:
            return f.read()
    except OSError:
        abort(404)


@app.post("/echo")
def echo():
    return request.get_data(), 201


@app.get("/fail")
def fail():
    abort(503)
