/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "parser.h"

/*
 * Asks every parser whether head starts its protocol. GUESS_YES sets *ret_parser and *ret_flow;
 * GUESS_MORE: none is sure and one needs more bytes; GUESS_NO: none of them, final.
 */
enum guess detect(struct slice head, const struct parser **ret_parser, enum flow *ret_flow);
