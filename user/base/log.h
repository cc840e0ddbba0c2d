/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line a call to standard error, as "spanhook: ...". Any thread. Waits a second for whoever reads there,
 * not for ever: the line is lost then.
 */
#pragma once

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
