/* SPDX-License-Identifier: Apache-2.0 */
#include "detect.h"

#define PROTOCOL(symbol) extern const struct parser symbol##_parser;
#include "protocols.def"
#undef PROTOCOL

const struct parser *const parsers[] = {
#define PROTOCOL(symbol) &symbol##_parser,
#include "protocols.def"
#undef PROTOCOL
};
const size_t parsers_len = sizeof(parsers) / sizeof(parsers[0]);

enum guess detect(struct slice head, const struct parser **ret_parser, enum flow *ret_flow)
{
	enum guess best = GUESS_NO;

	for (size_t i = 0; i < parsers_len; i++) {
		switch (parsers[i]->guess(head, ret_flow)) {
		case GUESS_YES:
			*ret_parser = parsers[i];
			return GUESS_YES;
		case GUESS_MORE:
			best = GUESS_MORE;
			break;
		case GUESS_NO:
			break;
		}
	}
	return best;
}
