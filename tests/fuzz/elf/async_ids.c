/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled into seeds: async ids as Node.js keeps them, behind a pointer at IDS in the environment.
 */
#ifndef IDS
#define IDS 0x480
#endif

struct isolate;
struct environment {
	char before[IDS];
	double *ids;
};

extern struct environment *environment_of(struct isolate *isolate, char *scope);

double _ZN4node29AsyncHooksGetExecutionAsyncIdEPN2v87IsolateE(struct isolate *isolate)
{
	char scope[24];
	struct environment *e = environment_of(isolate, scope);

	return e ? e->ids[0] : -1;
}

double _ZN4node27AsyncHooksGetTriggerAsyncIdEPN2v87IsolateE(struct isolate *isolate)
{
	char scope[24];
	struct environment *e = environment_of(isolate, scope);

	return e ? e->ids[TRIGGER] : -1;
}

void _ZN4node11Environment27RunAndClearNativeImmediatesEb(struct environment *e, _Bool only_refed)
{
	environment_of(0, only_refed ? 0 : e->before);
}
