/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wire format between the BPF programs and the agent: the only header that both include. All
 * times are bpf_ktime_get_ns(), CLOCK_MONOTONIC. Process and thread ids are those of the initial
 * PID namespace.
 */
#pragma once

#ifdef __VMLINUX_H__
typedef __u8 event_u8;
typedef __u16 event_u16;
typedef __u32 event_u32;
typedef __u64 event_u64;
typedef __s32 event_s32;
typedef __s64 event_s64;
#else
#include <stdint.h>
typedef uint8_t event_u8;
typedef uint16_t event_u16;
typedef uint32_t event_u32;
typedef uint64_t event_u64;
typedef int32_t event_s32;
typedef int64_t event_s64;
#endif

enum event_type {
	EVENT_DATA = 1, /* struct event_data: bytes moved on a stream socket */
	EVENT_CONN,     /* struct event_conn: a socket's addresses, before its first other event */
	EVENT_STATE,    /* struct event_state: a TCP connection changed its state */
	EVENT_PROCESS,  /* struct event_process: a target started, changed or ended */
	EVENT_CALL,     /* struct event_call: a traced function was entered */
	EVENT_RETURN,   /* struct event_call: it has returned */
	EVENT_UNWIND,   /* struct event_call: a thread's open calls will not return: it ended or executed */
	EVENT_SQL_ROW,  /* struct event_sql: the first row of an execution that goes on */
	EVENT_SQL_END,  /* struct event_sql: an execution is over */
	EVENT_CONTEXT,  /* struct event_context: a context of Python, before the first other event in it */
};

enum event_flag {
	EVENT_TX = 1 << 0,         /* data: sent; else received */
	EVENT_NO_PAYLOAD = 1 << 1, /* data: its bytes could not be located or read */
	EVENT_FRESH = 1 << 2,      /* conn: seen from its first byte on, in both directions */
	EVENT_CLIENT = 1 << 3,     /* conn: this side connected */
	EVENT_TURN_ON = 1 << 8,    /* data, conn: its thread is still in the turn of what it received last */
	EVENT_TURN_OVER =
		1 << 9, /* ... it is not; both: in the same batch; neither: cannot be told (turn.bpf.h) */
	EVENT_SLEPT = 1 << 5,    /* data, conn: the thread has waited for something since it received last */
	EVENT_POLLED = 1 << 6,   /* data: an epoll instance watches the socket */
	EVENT_NONBLOCK = 1 << 7, /* data: the socket does not block */
	EVENT_ACCEPTED = 1 << 4, /* conn: the peer connected */
	EVENT_SAMPLED = 1 << 11, /* data, conn, call: there may be connections that are not followed */
	EVENT_LEFT = 1 << 10,    /* state: none; the connection is not followed any more (sample.h) */
	EVENT_LOST = 1 << 12,    /* something was lost since the last event that says so */
	EVENT_TOLD =
		1 << 13, /* data, conn: the thread's runtime tells what it works for: woken_sock, woken_pos */
	EVENT_GOROUTINE =
		1 << 14, /* data, conn: done by a goroutine, which goes from thread to thread (go.bpf.h) */
};

struct event {
	event_u16 type;  /* enum event_type */
	event_u16 flags; /* enum event_flag */
	event_u32 pid;
	event_u32 tid;
	event_u32 returns_lost; /* of traced functions, by then */
	event_u64 time_ns;
	event_u64 sock; /* socket cookie, unique until reboot; 0: none */
};

/*
 * len bytes were sent or received; 0 received: the peer sent all it will send. The record holds
 * the first head_len and the last tail_len of them. Positions count bytes modulo 2^32: for TCP
 * they are the sequence numbers of the connection, so they are the same at both of its ends;
 * for unix sockets they count from the first traced byte on.
 */
struct event_data {
	struct event h;
	event_u32 pos; /* of the first byte */
	event_u32 len;
	event_u16 head_len;
	event_u16 tail_len;
	event_u32 cause_pos;  /* position after the last byte that this thread received before */
	event_u64 cause_sock; /* ... and the socket it came from; 0: none */
	event_u64 woken_sock; /* the same of the thread that has woken this one since, or EVENT_TOLD; 0:
				 neither */
	event_u32 woken_pos;
	event_u32 context; /* of Python, that the thread works in: its id; 0: none, or not known */
	event_u8 data[];   /* head_len + tail_len bytes; the record may have more room */
};

#define EVENT_PATH_LEN 108

struct event_conn {
	struct event h;
	event_u16 family;     /* AF_INET, AF_INET6 or AF_UNIX */
	event_u16 local_port; /* host byte order */
	event_u16 peer_port;
	event_u16 path_len;
	event_u32 netns;  /* inode number of its network namespace */
	event_u32 tx_pos; /* position of the next byte to send */
	event_u32 rx_pos; /* position of the next byte to receive */
	event_u32 woken_pos;
	event_u64 woken_sock; /* connecting: as in struct event_data ... */
	event_u64 cause_sock; /* ... and the socket that this thread received from last; 0: none */
	event_u64 id;         /* identifies this end of a unix connection ... */
	event_u64 peer_id;    /* ... and its other end; 0: none */
	event_u64 epoll;      /* identifies the epoll instance that watches it; 0: none */
	event_u8 local_ip[16];
	event_u8 peer_ip[16];
	event_u8 path[EVENT_PATH_LEN]; /* unix: the listener's path; starts with NUL when abstract */
};

struct event_state {
	struct event h;
	event_u8 old_state; /* TCP_* of include/net/tcp_states.h */
	event_u8 new_state;
	event_u8 shutdown; /* RCV_SHUTDOWN | SEND_SHUTDOWN */
	event_u8 closed;   /* the process holds the socket no more; else it may still read what came */
	event_u32 error;   /* sk_err, an errno; 0: none */
	event_u32 tx_pos;  /* as in struct event_conn ... */
	event_u32 rx_pos;
	event_u8 local_ip[16]; /* ... and learned late by a connecting socket, as its own address is */
	event_u16 local_port;
	event_u16 reserved2[3];
};

enum process_change {
	PROCESS_FORKED = 1, /* h.pid is a new target, a child of parent */
	PROCESS_EXECED,     /* h.pid runs another executable; it is a target until told otherwise */
	PROCESS_EXITED,
	PROCESS_SELECTED, /* h.pid listens on a port that was asked for */
};

#define PROCESS_PATH_LEN 128

struct event_process {
	struct event h;
	event_u32 change; /* enum process_change */
	event_u32 parent;
	event_u8 command[16];            /* comm, terminated */
	event_u8 path[PROCESS_PATH_LEN]; /* execed: the file as it was named to execve(), terminated */
};

enum target_flag {
	TARGET_PAUSED = 1 << 0, /* being set up: its open sockets are listed, its events are not yet sent */
	TARGET_ASKED = 1 << 1,  /* listens on a port that was asked for */
};

/* Value of the map `targets`, keyed by process id. */
struct target {
	event_u32 flags;
};

/* Words of the bits `followed`, one for each process id below PID_MAX_LIMIT (include/linux/threads.h). */
#define FOLLOWED_LEN ((4U << 20) / 64)

#define FUNCTIONS_MAX   256 /* that are traced at a time */
#define READS_MAX       12  /* values that are read of a function's call */
#define READ_STEPS_MAX  6
#define READ_STRING_MAX 128 /* bytes of a string, its NUL included */
#define VALUES_MAX      640 /* bytes of the values of one event; those beyond are not read */
#define CALL_DEPTH_MAX  64  /* open traced calls of a thread; what is deeper is not seen */
#define VALUE_ABSENT    0xff

/*
 * A call or return of a traced function. depth counts the thread's traced calls that are open around it;
 * those that the agent still believes to be open beyond that are gone. Of each read of this side, in order,
 * the values hold a byte with its length, or VALUE_ABSENT when it could not be read, and so many bytes.
 */
struct event_call {
	struct event h;
	event_u32 function; /* its number */
	event_u16 depth;
	event_u16 values_len;
	event_u64 cause_sock; /* as in struct event_data */
	event_u8 values[];
};

/* Where a read starts: an argument's register, counted from 0, or one of these. */
enum read_base {
	READ_STACK = 8, /* the stack pointer at the function's entry */
	READ_RESULT,
	READ_BASES,
};

/*
 * One value of a call: the base itself, or what lies where the steps lead to. Each step adds to the address,
 * and all but the last one then follow the pointer that is there.
 */
struct read {
	event_u8 base;      /* argument or enum read_base */
	event_u8 at_return; /* else at entry; arguments are those of the entry either way */
	event_u8 string;    /* up to a NUL or size bytes; else just size */
	event_u8 steps_len; /* 0: the base itself */
	event_u32 size;     /* at most 8, of a string READ_STRING_MAX */
	event_s32 steps[READ_STEPS_MAX];
};

/* Value of the map `functions`, keyed by the function's number. */
struct function_reads {
	event_u32 off;    /* it has no probes */
	event_u32 let_go; /* so often were they removed */
	event_u32 reads_len;
	struct read reads[READS_MAX];
};

#define SQL_TEXT_LEN     2048 /* bytes of a statement's text that are read, its NUL included */
#define SQLITE_FILES_MAX 16   /* with SQLite in them */

/* Value of the map `sqlite_files`, keyed by the file's number. */
struct sqlite_file {
	event_u32 text_offset; /* of the pointer to a statement's text, in the statement; 0: not known */
	event_u32 exec_len;    /* bytes of sqlite3_exec() ... */
	event_s64 exec_from;   /* ... and where it starts, from the probe on sqlite3_step() on */
};

/* An execution of a statement of SQLite. h.flags are those of its start. */
struct event_sql {
	struct event h;
	event_u64 statement; /* its address in the process */
	event_u64 start_ns;
	event_u64 rows;       /* so far */
	event_u64 cause_sock; /* at its start, as in struct event_data */
	event_s32 code;       /* what sqlite3_step() returned; 0: its caller ended it */
	event_u32 text_len;
	event_u8 text[];
};

enum runtime {
#define RUNTIME(name, option, map, map_len, help) RUNTIME_##name,
#include "runtimes.def"
#undef RUNTIME
	RUNTIMES_LEN,
};

/* Set by the agent before the programs are loaded, read-only from then on. */
struct settings {
	event_u32 self_pid;   /* the agent, which is never traced */
	event_u32 wake_len;   /* waiting bytes that wake the agent */
	event_u8 watch_exec;  /* every executed program becomes a target until the agent says otherwise */
	event_u8 exact_turns; /* the ends of turns are seen (turns.bpf.c) */
	event_u8 watch_ports; /* who listens on a port of the map `ports` becomes a target */
	event_u8 runtimes[RUNTIMES_LEN]; /* by enum runtime: it is asked */
};

#define SAMPLED_ONE_OF 10

/* How much is seen; the agent changes it while the programs run. */
struct limits {
	event_u32 capture_len; /* captured after a change of direction, at most WHOLE_LEN ... */
	event_u32 lead_len;    /* ... and of each event, whatever came before it */
	event_u32 one_of;      /* of so many connections one is followed: SAMPLED_ONE_OF; 0 and 1: all are */
	event_u32 epoch;       /* of probes on functions: calls of an earlier one may be over, unseen */
};

#define GOS_MAX        1024
#define GOROUTINES_MAX 8192 /* that are remembered */

#define PYTHONS_MAX   1024
#define CONTEXTS_MAX  8192 /* that are remembered */
#define CONTEXT_DEPTH 6

/* Where an interpreter of Python keeps the pointer to the state of the thread that it runs. */
enum python_storage {
	PYTHON_GLOBAL, /* at an address */
	PYTHON_THREAD, /* so far from the thread pointer on */
	PYTHON_MODULE, /* in the thread's block for its module, of which the tls_index at an address tells */
};

/* Value of the map `pythons`, keyed by process id: where its interpreter keeps what. */
struct python {
	event_u64 thread_state; /* the address or distance of enum python_storage */
	event_u32 storage;      /* enum python_storage */
	event_s32 in_block;     /* from where the tls_index points to in the block, to the pointer */
	event_u32 context;      /* offset of the pointer to the current context in the thread's state */
	event_u32 reserved;
};

/* Key of the map `contexts`. */
struct context_key {
	event_u64 address; /* in the process */
	event_u32 pid;
	event_u32 reserved;
};

/* A context of Python. */
struct event_context {
	struct event h;
	event_u64 created_ns;
	event_u32 id;
	event_u32 from[CONTEXT_DEPTH]; /* those that it is a copy of a copy of, nearest first; 0: not known */
	event_u32 reserved;
};
