/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Exactly the kernel types and fields that we read: nothing else of the kernel is
 * relied on. CO-RE finds the fields' offsets in the running kernel's BTF.
 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define PF_KTHREAD	   0x00200000 /* include/linux/sched.h */
#define PF_EXITING	   0x00000004
#define PF_IO_WORKER	   0x00000010
#define PF_USER_WORKER	   0x00004000
#define PF_FROZEN	   0x00010000 /* before 6.1 */
#define TASK_ASLEEP	   0x3	      /* interruptible or not; a killable one is, too */
#define TASK_BLOCKED	   0xf	      /* (un)interruptible, stopped, traced */
#define TASK_WAKING	   0x200
#define JOBCTL_TRAP_FREEZE (1UL << 23) /* include/linux/sched/jobctl.h */
#define ON_RQ_QUEUED	   1	       /* task_struct.on_rq: kernel/sched/sched.h */
#define TS_COMPAT	   0x0002 /* arch/x86/include/asm/thread_info.h: a 32-bit call */
#define PSR_MODE32_BIT	   0x10 /* arch/arm64/include/uapi/asm/ptrace.h: a 32-bit task */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_iattrs {
	struct {
		__u32 val;
	} ia_uid;
};

struct kernfs_node {
	const char *name;
	__u64 id;
	struct kernfs_iattrs *iattr; /* NULL: root's */
};

struct cgroup_root {
	int hierarchy_id; /* 0: the default hierarchy, cgroup v2 */
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

/* kernel/sched/sched.h */
struct rq {
	__u64 clock;
	__u64 clock_task; /* the same without interrupts and what was stolen */
};

struct cfs_rq {
	struct rq *rq;
	__u64 throttled_clock_self_time; /* 6.6 and later */
};

struct cfs_rq___pelt {
	__u64 throttled_clock_pelt_time; /* 5.19 to 6.5 */
};

struct cfs_rq___task {
	__u64 throttled_clock_task_time; /* before 5.19 */
};

struct sched_entity {
	__u64 nr_migrations;
	__u64 exec_start;	/* clock_task when it was last seen to run */
	__u64 sum_exec_runtime; /* ns that it ran, and when it last got a CPU */
	__u64 prev_sum_exec_runtime;
	struct cfs_rq *cfs_rq;
	unsigned char
	    sched_delayed; /* 6.12 and later: asleep, but still on its queue */
};

/* include/linux/sched.h: kept by kernel/sched/stats.h under CONFIG_SCHED_INFO */
struct sched_info {
	unsigned long pcount;
	unsigned long long run_delay;
	unsigned long long last_arrival; /* when it last got a CPU */
	unsigned long long last_queued;
};

struct thread_info {
	__u32 status; /* x86 only */
};

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data; /* a socket's: struct socket */
};

/* include/linux/poll.h: a kernel struct that begins with a struct file *, see fd_file()
 */
struct poll_table_entry {
	struct file *filp;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state; /* 5.14 and later */
	unsigned int flags;
	unsigned long jobctl;
	unsigned int on_rq; /* int before 7.x, a byte since: loads adapt if unsigned */
	int pid;
	int tgid;
	__u64 start_time; /* ns, monotonic */
	struct sched_entity se;
	struct sched_info sched_info;
	struct css_set *cgroups;
	struct files_struct *files;
	struct reclaim_state *reclaim_state; /* while it frees memory for itself */
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long bx;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long sp;
};
#define REGS_NR(regs)	       ((__s64)(regs)->orig_ax)
#define REGS_ARG0(regs)	       ((regs)->di)
#define REGS_ARG0_COMPAT(regs) ((__u32)(regs)->bx)
#define REGS_SP(regs)	       ((regs)->sp)
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__u64 sp; /* a 32-bit task's is regs[13] */
	__u64 pstate;
	__s32 syscallno;
	__u64 orig_x0;
};
#define REGS_NR(regs)	       ((regs)->syscallno)
#define REGS_ARG0(regs)	       ((regs)->orig_x0)
#define REGS_ARG0_COMPAT(regs) ((__u32)(regs)->orig_x0)
#define REGS_SP(regs)	       ((regs)->pstate & PSR_MODE32_BIT ? (regs)->regs[13] : (regs)->sp)
#else
#error "x86-64 and arm64 only"
#endif

/* Networking: include/net/sock.h, include/linux/tcp.h, include/linux/skbuff.h */
struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct socket;

struct in6_addr {
	__u32 word[4];
};

struct sock_common {
	__u32 skc_daddr; /* network order, as skc_dport and the next one */
	struct in6_addr skc_v6_daddr;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned short skc_num;
	__u16 skc_dport; /* network order */
	unsigned long skc_flags;
	possible_net_t skc_net;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	int sk_err;
	__u32 sk_max_ack_backlog;
	__u8 sk_shutdown;
	struct {
		int counter;
	} sk_drops;
	struct socket *sk_socket; /* NULL while it waits to be accepted */
	unsigned long sk_kern_sock : 1;
	struct sock_cgroup_data sk_cgrp_data;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_nxt;
	__u32 copied_seq; /* the application has read up to here */
	__u32 snd_nxt;
	__u32 write_seq; /* it has written up to here */
	__u32 segs_out;
	__u32 packets_out; /* sent and not acknowledged */
	__u32 srtt_us;
	__u32 total_retrans;
	__u32 retrans_stamp;  /* ms: until there is an answer, the first SYN was sent */
	__u8 tcp_usec_ts : 1; /* from 6.7 on: it is us */
	__u64 bytes_received;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	bool is_mptcp; /* it is below an MPTCP socket */
	__u64 tcp_mstamp;
	__u64 tcp_clock_cache; /* ns: when it began to send, or to look at a segment */
	struct {
		__u64 time; /* us: established, or the latest read by the application */
	} rcvq_space;
};

/* net/mptcp/protocol.h */
struct mptcp_sock {
	struct sock *first; /* a listener's: the one that the segments meet */
};

struct tcp_skb_cb {
	__u32 end_seq;
	__u32 ack_seq;
	__u8 tcp_flags; /* on 7.x a wider bit field: read it with BPF_CORE_READ_BITFIELD
			 */
};

struct net_device {
	int ifindex;
	possible_net_t nd_net;
};

struct iphdr {
	__u8 ihl : 4;
	__u8 protocol;
};

struct ipv6hdr {
	__u8 nexthdr;
};

struct udphdr {
	__be16 source;
};

/* include/net/netfilter/nf_conntrack.h: may be a module's */
struct nf_conntrack_tuple {
	struct {
		union {
			__be16 all;
		} u;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[2]; /* the first: as it was sent */
};
#define NFCT_PTRMASK (~7UL)

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	char cb[48];
	unsigned int len;
	unsigned int data_len; /* of it in fragments, out of our reach */
	__u16 protocol;	       /* network order */
	__u16 transport_header;
	__u16 network_header;
	unsigned char *head;
	unsigned char *data;
	unsigned int truesize;
	unsigned long _nfct; /* struct nf_conn *, and flags in the low bits */
};

struct socket {
	struct sock *sk;
};

/* Block: include/linux/{blk-mq,blkdev,blk_types}.h, block/blk-cgroup.h */
enum req_op {
	REQ_OP_READ = 0,
	REQ_OP_WRITE = 1,
	REQ_OP_FLUSH = 2,
	REQ_OP_DISCARD = 3,
	REQ_OP_ZONE_APPEND = 7, /* elsewhere before 6.4 */
	REQ_OP_DRV_FIRST = 32, /* from here on: commands passed through to the driver */
};
#define REQ_OP_MASK 0xff

enum mq_rq_state { MQ_RQ_IDLE, MQ_RQ_IN_FLIGHT, MQ_RQ_COMPLETE };

struct blkcg {
	struct cgroup_subsys_state css;
};

struct blkcg_gq {
	struct blkcg *blkcg;
};

struct bio {
	struct blkcg_gq *bi_blkg;
};

struct request_queue;

struct gendisk {
	int major;
	int first_minor;
	char disk_name[32];
	__u64 diskseq; /* 5.15: never the same for two disks */
	struct request_queue *queue;
};

struct sbitmap_word {
	unsigned long word;
	unsigned long cleared;
};

struct sbitmap {
	unsigned int shift; /* log2 of the bits used in a word */
	unsigned int map_nr;
	struct sbitmap_word *map;
};

struct sbitmap_queue {
	struct sbitmap sb;
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int rq_flags;
	int tag;
	unsigned int __data_len;
	struct bio *bio;
	__u64 start_time_ns;
	__u64 io_start_time_ns;
	enum mq_rq_state state;
};

struct blk_mq_tags {
	unsigned int nr_reserved_tags;
	struct sbitmap_queue bitmap_tags;
	struct sbitmap_queue breserved_tags;
	struct request **rqs; /* by tag */
};

struct blk_mq_tags___old { /* before 5.16 */
	struct sbitmap_queue *bitmap_tags;
	struct sbitmap_queue *breserved_tags;
};

struct blk_mq_tag_set {
	unsigned int nr_hw_queues;
	struct blk_mq_tags **tags;
	struct blk_mq_tags *shared_tags; /* 5.16 and later */
};

struct request_queue {
	struct gendisk *disk;
	struct blk_mq_tag_set *tag_set;
};

/* Iterators: kernel/bpf/task_iter.c */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num; /* how many came before */
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_map {
	enum bpf_map_type map_type;
	__u32 key_size, value_size, max_entries;
	__u32 id;
	char name[16];
};

struct bpf_iter__bpf_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
};

#pragma clang attribute pop

/*
 * The default hierarchy's cgroup of a task. Ids are unique for the life of the
 * kernel (kernfs: 64-bit inode numbers); the root's is 1.
 */
static __always_inline __u64 task_cgroup_id(struct task_struct *task)
{
	return task->cgroups->dfl_cgrp->kn->id;
}

/* A task's set of cgroups, to compare with: read right here, not where it is used. */
static __always_inline __u64 task_set_here(struct task_struct *task)
{
	__u64 set = (__u64)task->cgroups;

	barrier_var(set);
	return set;
}

/*
 * Says what is at an address, so that its fields can be read like those of any kernel
 * struct: a load that gives 0 where there is nothing (kernel/bpf/helpers.c). A call of
 * bpf_probe_read_kernel costs 10 to 40 ns more here. It came with 6.2. Who uses it is
 * compiled a second time without it (NAME.plain.bpf.o), and the agent takes the one for
 * its kernel: 5.15 refuses a program that names a function which it does not have, even
 * where that is never called.
 */
#ifdef PLAIN
#define HAS_CASTS	    0
#define CAST(type, address) ((type *)0)
#else
#define HAS_CASTS 1
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym;
#define CAST(type, address) \
	((type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(type)))
#endif

/*
 * Before 6.1 the kernel may enter a program of a raw tracepoint again on a CPU where it
 * runs, in an interrupt. (The helper came with the same release as the guard, and after
 * it.)
 */
#define HAS_GUARD \
	bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_user_ringbuf_drain)

/* A task that goes to sleep may stay on its queue for a while: 6.12 and later. */
#define HAS_DELAYED_DEQUEUE \
	bpf_core_field_exists(((struct sched_entity *)0)->sched_delayed)

#endif
