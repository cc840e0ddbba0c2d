/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "trace.h"

/*
 * Opens the file that TRACE_FILE names and starts the thread that writes to it; to be called when the signals
 * that the program waits for are blocked. Flushed and closed at exit. Does nothing without TRACE_FILE.
 */
void otlp_start(void);

/* Copies the ended span for the thread to write; when there is no room it is lost and counted. Any thread. */
void otlp_add(const struct trace_span *span);

/* s as the inside of a JSON string, at most size bytes, terminated. Returns the length, or 0 if it has no
 * room. */
size_t otlp_escape(char *to, size_t size, const char *s);

bool otlp_open(void);
