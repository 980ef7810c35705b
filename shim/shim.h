// SPDX-License-Identifier: Apache-2.0
//
// What the files of the shim share. Rules of this folder: no libc function but __errno_location,
// no allocation, no lock that a signal handler or a killed thread could leave taken, at most 5 KB
// of stack. Headers of libc are not included: their prototypes are of the functions defined here.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi/shim.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#define FBX_HIDDEN __attribute__((visibility("hidden")))
#define FBX_EXPORT __attribute__((visibility("default")))

#define FBX_TEXT 1024  // longest path that is decided inline; longer ones go to the supervisor

typedef long fbx_gate_fn(long, long, long, long, long, long, long nr);

// The mapped segment; NULL: not attached, or wholly supervised.
extern FBX_HIDDEN struct fbx_shim *fbx_here;
// Whether this process is behind a filter that lets its gate pass.
extern FBX_HIDDEN int fbx_gated;
// The addresses whose calls pass the filter, the program's and the shim's own, and one whose calls
// don't.
extern FBX_HIDDEN fbx_gate_fn *fbx_gate, *fbx_own;
FBX_HIDDEN fbx_gate_fn fbx_gate_code, fbx_own_code, fbx_side_door;
extern FBX_HIDDEN const char fbx_gate_end[];

// A system call of the shim itself.
#define fbx_sys(nr, a, b, c, d, e, f) \
  fbx_own((long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f), nr)

// The whole of a wrapped call: decides, holds, makes it. Returns as the kernel does.
FBX_HIDDEN long fbx_call(long nr, long a, long b, long c, long d, long e, long f);
// −errno → errno and −1.
FBX_HIDDEN long fbx_result(long raw);

FBX_HIDDEN uint64_t fbx_now(void);  // vdso.c
FBX_HIDDEN void fbx_find_clock(void);

// set.c: the active set, read while the runner may be publishing another.
struct fbx_view {
  const struct fbx_shim_set *set;
  uint64_t generation;
};
FBX_HIDDEN void fbx_see_set(struct fbx_view *view);
// Whether everything read from the set so far belonged to that generation.
FBX_HIDDEN int fbx_still(const struct fbx_view *view);
FBX_HIDDEN int fbx_rule_is_active(uint32_t rule);
FBX_HIDDEN int fbx_owner_lives(void);

// files.c
// What `path` names, seen from `fd`; "" = the descriptor itself. Returns 0 or −errno.
struct statx;
FBX_HIDDEN int fbx_look(int fd, const char *path, uint32_t mask, struct statx *out);
// FBX_KIND_*; exact where it is one of `wanted` (a mask), else some kind that is not.
FBX_HIDDEN uint32_t fbx_kind_of(int fd, uint32_t wanted);
FBX_HIDDEN int fbx_is_socket(int fd);  // half the cost of fbx_kind_of()
FBX_HIDDEN int fbx_file_flags(int fd);  // F_GETFL, or −errno
// Room for FBX_TEXT bytes. Returns the length, 0 = has no path, −1 = can't be said here.
FBX_HIDDEN int fbx_fd_path(int fd, char *out);

// path.c: a path argument as given (absolute, without dots) and as the file is called. A length
// of 0: that form is not known. Returns −1 when it can't be said here.
struct fbx_named {
  char given[FBX_TEXT];
  char real[FBX_TEXT];
  int given_len, real_len, exists;
};
FBX_HIDDEN int fbx_see_path(int dirfd, const char *path, int follow, struct fbx_named *out);

// glob.c
FBX_HIDDEN int fbx_glob(const char *pattern, int pattern_len, const char *text, int text_len);
// Whether each glob of the rule at `position` matches the name.
FBX_HIDDEN int fbx_globs_match(const struct fbx_shim_set *set, uint32_t position, const char *name,
                               int len);

// ring.c
FBX_HIDDEN uint32_t fbx_intern(const char *text, int len);
// Returns its position + 1; 0 = the ring was full, and it is lost.
FBX_HIDDEN uint64_t fbx_write_entry(const struct fbx_shim_entry *entry);

// thread.c: what the calling thread's entries name it by; 0 = nobody could say.
FBX_HIDDEN uint32_t fbx_tid(void);
FBX_HIDDEN void fbx_watch_forks(void);

// hold.c: waits `ns`, or until the rule is lifted or the owner is gone. Returns 1 when cut.
FBX_HIDDEN int fbx_hold(uint32_t rule, uint64_t ns);

// gate.c
FBX_HIDDEN void fbx_map_gate(void);
FBX_HIDDEN void fbx_enter_gate(void);
