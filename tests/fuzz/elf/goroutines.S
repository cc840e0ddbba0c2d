/* SPDX-License-Identifier: Apache-2.0 */
/* What is compiled into seeds: functions of Go's runtime and its table of them, of this version. */
#ifndef VERSION
#define VERSION "go1.24.4"
#endif
#ifndef CALLED
#define CALLED ready
#endif
#ifndef MAGIC
#define MAGIC 0xfffffff1
#endif

	.text
text:
send:	nop
	call CALLED
	ret
ready:	nop
	ret
newproc: call stack
	ret
start:	nop
	nop
	call queue
	ret
stack:	ret
queue:	ret
end:	nop

	.section .gopclntab, "a"
table:	.long MAGIC
	.byte 0, 0, 1, 8
	.quad 6, 0, text, names - table, 0, 0, 0, functions - table
names:	.byte 0
name_send:	.asciz "runtime.send"
name_ready:	.asciz "runtime.goready"
name_newproc:	.asciz "runtime.newproc"
name_start:	.asciz "runtime.newproc.func1"
name_stack:	.asciz "runtime.systemstack"
name_queue:	.asciz "runtime.runqput"
	.balign 8
functions:
	.irp f, send, ready, newproc, start, stack, queue
	.long \f - text, more_\f - functions
	.endr
	.long end - text
	.irp f, send, ready, newproc, start, stack, queue
more_\f:	.long \f - text, name_\f - names
	.endr

	.section .go.buildinfo, "a"
info:	.ascii "\xff Go buildinf:"
	.byte 8, 2
	.skip 16
	.byte 2f - 1f
1:	.ascii VERSION
2:	.byte 0

	.section .note.GNU-stack
