# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL's own client library, as far as the tests call it."""

import ctypes
import ctypes.util
import select

import pytest

from harness import PATIENCE

OK = (1, 2)  # PGRES_COMMAND_OK, PGRES_TUPLES_OK
COPY_OUT, COPY_IN = 3, 4
FATAL_ERROR, PIPELINE_SYNC, PIPELINE_ABORTED = 7, 10, 11
SQLSTATE = ord("C")  # PG_DIAG_SQLSTATE


def library():
    name = ctypes.util.find_library("pq")
    if not name:
        pytest.skip("libpq is not installed")
    pq = ctypes.CDLL(name)
    if not hasattr(pq, "PQenterPipelineMode"):
        pytest.skip("libpq is older than its pipeline mode")
    for function in ("PQconnectdb", "PQexec", "PQexecParams", "PQprepare", "PQexecPrepared", "PQgetResult", "PQnotifies"):
        getattr(pq, function).restype = ctypes.c_void_p
    for function in ("PQresultErrorField", "PQerrorMessage"):
        getattr(pq, function).restype = ctypes.c_char_p
    return pq


class Connection:
    def __init__(self, conninfo):
        self.pq = library()
        self.conn = ctypes.c_void_p(self.pq.PQconnectdb(conninfo.encode()))
        assert self.pq.PQstatus(self.conn) == 0, self.pq.PQerrorMessage(self.conn)

    def take(self, result):
        """A result's status and SQLSTATE."""
        result = ctypes.c_void_p(result)
        status = self.pq.PQresultStatus(result)
        code = self.pq.PQresultErrorField(result, SQLSTATE)
        self.pq.PQclear(result)
        return status, code.decode() if code else None

    def exec(self, text):
        return self.take(self.pq.PQexec(self.conn, text.encode()))

    def exec_params(self, text, *values):
        return self.take(self.pq.PQexecParams(self.conn, text.encode(), len(values), None, *self.values(values), 0))

    def prepare(self, name, text):
        return self.take(self.pq.PQprepare(self.conn, name.encode(), text.encode(), 0, None))

    def exec_prepared(self, name, *values):
        return self.take(self.pq.PQexecPrepared(self.conn, name.encode(), len(values), *self.values(values), 0))

    @staticmethod
    def values(values):
        """As text: the array, and neither lengths nor formats."""
        return (ctypes.c_char_p * max(len(values), 1))(*[str(value).encode() for value in values]), None, None

    def pipeline(self, texts, sync_each):
        """Sends all texts before it reads; returns status and SQLSTATE of each."""
        pq, conn = self.pq, self.conn
        assert pq.PQenterPipelineMode(conn) == 1
        for text in texts:
            assert pq.PQsendQueryParams(conn, text.encode(), 0, None, None, None, None, 0) == 1
            if sync_each:
                assert pq.PQpipelineSync(conn) == 1
        if not sync_each:
            assert pq.PQpipelineSync(conn) == 1
        results, syncs = [], 0
        while syncs < (len(texts) if sync_each else 1):
            result = pq.PQgetResult(conn)
            if result is None:
                continue
            status, code = self.take(result)
            if status == PIPELINE_SYNC:
                syncs += 1
            else:
                results.append((status, code))
        assert pq.PQexitPipelineMode(conn) == 1
        return results

    def copy_in(self, text, lines, error=None):
        """Sends the lines, and then that there was an error if one is given."""
        assert self.exec(text)[0] == COPY_IN
        for line in lines:
            assert self.pq.PQputCopyData(self.conn, line, len(line)) == 1
        assert self.pq.PQputCopyEnd(self.conn, error) == 1
        return self.last()

    def copy_out(self, text):
        """Returns how it ended, and the lines."""
        line, lines = ctypes.c_char_p(), []
        assert self.exec(text)[0] == COPY_OUT
        while (n := self.pq.PQgetCopyData(self.conn, ctypes.byref(line), 0)) > 0:
            lines.append(ctypes.string_at(line, n))
            self.pq.PQfreemem(line)
        assert n == -1, self.pq.PQerrorMessage(self.conn)
        return self.last(), lines

    def last(self):
        """The result that ends a statement."""
        taken = self.take(self.pq.PQgetResult(self.conn))
        assert self.pq.PQgetResult(self.conn) is None
        return taken

    def wait_notifications(self, n):
        for _ in range(n):
            while not (notification := self.pq.PQnotifies(self.conn)):
                ready, _, _ = select.select([self.pq.PQsocket(self.conn)], [], [], PATIENCE)
                assert ready and self.pq.PQconsumeInput(self.conn) == 1
            self.pq.PQfreemem(ctypes.c_void_p(notification))

    def close(self):
        self.pq.PQfinish(self.conn)
