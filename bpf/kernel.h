// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The parts of the kernel's own structures that our programs read. Only names count: libbpf moves
// each access to where the running kernel's BTF has that field (CO-RE), so no vmlinux.h of any
// particular kernel is needed to build. Add a field when a program reads it.
//
// Where a kernel renamed something, the variants stand here as `name___variant`, and the accessor
// that chooses between them below.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __s8 int8_t;
typedef __s16 int16_t;
typedef __s32 int32_t;
typedef __s64 int64_t;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

// arch/x86/include/asm/ptrace.h. Read through bpf/arch.h only.
struct pt_regs {
  unsigned long di, si, dx, r10, r8, r9, bx, cx, bp, orig_ax, ax, ip;
};

struct qstr {
  uint64_t hash_len;
  const unsigned char *name;
};

struct hlist_bl_node {
  struct hlist_bl_node **pprev;
};

struct super_block {
  uint32_t s_dev;
  unsigned long s_magic;
};

struct inode {
  unsigned short i_mode;
  uint32_t i_rdev;
  unsigned long i_ino;
  long long i_size;
  struct super_block *i_sb;
};

struct dentry {
  struct hlist_bl_node d_hash;
  struct dentry *d_parent;
  struct qstr d_name;
  struct inode *d_inode;
};

struct vfsmount {
  struct dentry *mnt_root;
  struct super_block *mnt_sb;
};

struct mount {
  struct mount *mnt_parent;
  struct dentry *mnt_mountpoint;
  struct vfsmount mnt;
};

struct path {
  struct vfsmount *mnt;
  struct dentry *dentry;
};

struct file {
  unsigned int f_flags;
  struct inode *f_inode;
  struct path f_path;
  void *private_data;
};

struct fdtable {
  unsigned int max_fds;
  struct file **fd;
};

struct vm_area_struct {
  struct file *vm_file;
};

struct files_struct {
  struct fdtable *fdt;
};

struct fs_struct {
  struct path root, pwd;
};

struct timespec64 {
  long long tv_sec;
};

struct kernfs_node {
  uint64_t id;
};

struct cgroup;

struct cgroup_subsys_state {
  struct cgroup *cgroup;
  struct cgroup_subsys_state *parent;
};

struct cgroup_root {
  int hierarchy_id;
};

struct cgroup {
  struct cgroup_subsys_state self;
  int level;
  struct kernfs_node *kn;
  struct cgroup_root *root;
};

struct css_set {
  struct cgroup *dfl_cgrp;
};

struct hlist_node {
  struct hlist_node *next;
};

struct hlist_head {
  struct hlist_node *first;
};

struct upid {
  int nr;
};

struct pid {
  unsigned int level;
  struct hlist_head tasks[4];
  struct upid numbers[1];
};

struct thread_info {
  unsigned long flags;
  unsigned int status;
};

struct signal_struct {
  int group_exit_code;
};

struct task_struct {
  struct thread_info thread_info;
  unsigned int __state;
  unsigned int flags;
  int on_cpu;
  int exit_code;
  int pid, tgid;
  struct pid *thread_pid;
  struct task_struct *group_leader;
  struct task_struct *real_parent;
  struct files_struct *files;
  struct fs_struct *fs;
  struct signal_struct *signal;
  struct css_set *cgroups;
  struct hlist_node pid_links[4];
  char comm[16];
};

struct sock_cgroup_data {
  struct cgroup *cgroup;
};

struct net {
  uint64_t net_cookie;
};

typedef struct {
  struct net *net;
} possible_net_t;

struct in6_addr {
  union {
    uint8_t u6_addr8[16];
    uint32_t u6_addr32[4];
  } in6_u;
};

struct sock_common {
  uint32_t skc_daddr, skc_rcv_saddr;
  uint16_t skc_dport, skc_num;
  unsigned short skc_family;
  volatile unsigned char skc_state;
  possible_net_t skc_net;
  struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};

struct sock {
  struct sock_common __sk_common;
  uint16_t sk_type;
  uint16_t sk_protocol;
  struct sock_cgroup_data sk_cgrp_data;
  struct pid *sk_peer_pid;
};

struct tcp_sock {
  uint32_t rcv_nxt, snd_nxt;
};

struct sockaddr_un {
  char sun_path[108];
};

struct unix_address {
  int len;
  struct sockaddr_un name[0];
};

struct unix_sock {
  struct unix_address *addr;
  struct sock *peer;
};

struct socket {
  short type;
  struct sock *sk;
};

union __sifields {
  struct {
    int _pid;
  } _kill;
};

struct kernel_siginfo {
  int si_code;
  union __sifields _sifields;
};

struct sigaction {
  void *sa_handler;
};

struct k_sigaction {
  struct sigaction sa;
};

struct linux_binprm {
  const char *filename;
};

struct bpf_iter_meta {
  struct seq_file *seq;
  uint64_t session_id;
  uint64_t seq_num;
};

struct bpf_iter__task {
  struct bpf_iter_meta *meta;
  struct task_struct *task;
};

struct bpf_iter__tcp {
  struct bpf_iter_meta *meta;
  struct sock_common *sk_common;
};

struct bpf_iter__udp {
  struct bpf_iter_meta *meta;
  struct sock *udp_sk;
};

struct bpf_iter__unix {
  struct bpf_iter_meta *meta;
  struct unix_sock *unix_sk;
};

#pragma clang attribute pop

// One field of a kernel structure: `type *object` may be any address. Where the kernel allows it, a
// load whose fault the kernel catches; else a copy by a helper, which costs ten times as much. Only one
// file can ask for the former: the linker (libbpf 1.1: linker_append_btf) does not join objects that
// name the same function of the kernel.
#ifdef FBX_DIRECT_READS
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
// net/core/filter.c and kernel/bpf/helpers.c got both in one release (6.2). A call of what is not
// there may stand in a branch that the verifier can see to be dead.
enum bpf_func_id___cast { BPF_FUNC_cgrp_storage_get___cast = 210 };
#define kernel__is_direct() \
  bpf_core_enum_value_exists(enum bpf_func_id___cast, BPF_FUNC_cgrp_storage_get___cast)
#define kernel__read(object, field)                                                          \
  ({                                                                                         \
    typeof((object)->field) value_;                                                          \
    if (kernel__is_direct())                                                                 \
      value_ = ((typeof(object))bpf_rdonly_cast(                                             \
                    (object), bpf_core_type_id_kernel(typeof(*(object)))))                   \
                   ->field;                                                                  \
    else                                                                                     \
      bpf_core_read(&value_, sizeof(value_), &(object)->field);                              \
    value_;                                                                                  \
  })
#else
#define kernel__read(object, field) BPF_CORE_READ(object, field)
#endif

#define FBX_LICENSE char fbx_license[] SEC("license") = "Dual BSD/GPL"
