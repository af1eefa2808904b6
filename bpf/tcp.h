/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the TCP probe shares with the agent: lanes, what is kept of a connection and of
 * its owner.
 */
#ifndef TCP_H
#define TCP_H

#include <linux/types.h>

enum tcp_role { TCP_SERVER, TCP_CLIENT };
enum tcp_lane {
	TCP_RX_BYTES,
	TCP_TX_BYTES,
	TCP_RETRANSMITS,
	TCP_RESETS_RX,
	TCP_RESETS_TX,
	TCP_SYN_RETRANSMITS,  /* of connects; they are in TCP_RETRANSMITS too */
	TCP_ACCEPTED,	      /* accept calls that returned a connection */
	TCP_ACCEPT_OVERFLOWS, /* connections that found an accept queue full */
};
enum conn_lane {
	CONN_OPENED,	       /* became established while we watched */
	CONN_EXISTING,	       /* were there before */
	CONN_CLOSED,	       /* of both */
	CONN_UNANSWERED_RESET, /* a request was open when the connection was reset */
	CONN_UNANSWERED_CLOSE, /* ... when it was closed */
};

#define CONNECT_ABORTED 0 /* "errno" of a connect that the application gave up */

/* Who accepted a connection: from the syscall probe to the tcp probe. */
struct accepted {
	__u64 owner; /* cgroup id */
	__u64 time;  /* ns */
};

#define LISTENERS    4096 /* ports that are listened on, to tell roles by */
#define REFUSED_LOG2 15
#define REFUSED	     (1 << REFUSED_LOG2)

/*
 * In TABLE_CONNS: what is kept of a TCP connection, or of a listener. What every packet
 * needs is one cache line.
 */
struct tcp_conn {
	__u64 align;
	__u64 sk;   /* whose: its address in the kernel; 0: free */
	__u64 turn; /* ns: the open turn began; 0 = none */
	/* tcp_mstamp at which the counters are due; a listener's: its latest walk */
	__u64 next_us;
	__u64 owner;	  /* cgroup id or OWNER_KERNEL */
	__u64 cell_owner; /* of cell; a socket may get another owner */
	__u32 cell;	  /* of its turns; 0 = not looked up yet */
	__u32 cell_gen;	  /* tunes.free_gen: no slot changed hands since */
	/* tune.enabled when the connect began; later tunes.window when since and turn
	 * were noted */
	__u32 gen;
	__u32 sent;   /* bytes_out() so far */
	__u32 flags;  /* enum conn_flag */
	__u16 role;   /* enum tcp_role */
	__u16 accept; /* not 0: who accepts it is not known yet, see conn_settle() */
	/* ns: the connect began, later: established; 0 = unknown. A listener's: when
	 * its youngest holder was started */
	__u64 since;
	__u64 rx, tx;	/* bytes counted so far */
	__u64 heard;	/* ns: when the asker sent more in the open turn, if it did */
	__u32 retrans;	/* segments counted so far */
	__u32 segs_out; /* when the connect began */
	__u32 fin_rx;	/* bytes_received when we closed our side first */
	/* a listener's: counted so far; else the latest walk that saw its owner hold it
	 */
	union {
		__u32 drops;
		__u32 held_walk;
	};
	union {
		__u32 port; /* a listener's: at CLOSE the socket may have lost it */
		/* else what its asker had sent when a walk found it unanswered, bytes;
		 * or WANTS_NONE */
		__u32 paused;
	};
	__u32 rest; /* bytes of the open turn, when it IS_DOUBTFUL */
};
_Static_assert(sizeof(struct tcp_conn) == 128, "two cache lines");

/* Cells that a change of a connection's state adds to. */
enum tcp_cell {
	CELL_CONN,				 /* + enum tcp_role */
	CELL_COUNT = CELL_CONN + TCP_CLIENT + 1, /* enum tcp_lane */
	CELL_CONNECT,
	CELL_RTT,
	TCP_CELLS,
};

/*
 * An owner of connections, as a program last used it on a CPU: its slot and cells, one
 * place instead of four. Each program has its own, as one may interrupt another.
 */
#define TCP_CACHE_LOG2 4
#define TCP_CACHES     2 /* of tcp_state, of tcp_gone */
struct tcp_slot {
	__u64 owner; /* as struct tcp_conn.owner */
	__u32 gen;   /* tunes.free_gen + 1: no slot changed hands since */
	__u32 slot;
	__u32 cells[8]; /* enum tcp_cell; 0: not looked up */
};
_Static_assert(TCP_CELLS <= 8, "struct tcp_slot has room for them");

#endif
