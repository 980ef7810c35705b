// SPDX-License-Identifier: Apache-2.0
//
// Start-up: finds the segment, maps it, and puts the process behind the filter. Everything that
// can't be done leaves the program as it was and is written where the runner sees it.
#include <asm/errno.h>
#include <asm/stat.h>
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include "bpf/abi/maps.h"
#include "shim/shim.h"

struct fbx_shim* fbx_here;
int fbx_gated;
fbx_gate_fn* fbx_gate = fbx_gate_code;
fbx_gate_fn* fbx_own = fbx_own_code;

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#else
#define ARCH AUDIT_ARCH_AARCH64
#define X32_BIT 0x80000000u
#endif
#define PROGRAM (2 * FBX_NR_WORDS * 64 + 48)  // two steps a call, and the frame

// The gate at its fixed place; where that is taken or forbidden it stays in the library.
void fbx_map_gate(void) {
  long at = fbx_sys(__NR_mmap, FBX_SHIM_GATE, 4096, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (at != (long)FBX_SHIM_GATE) return;
  memcpy((void*)at, (const void*)fbx_gate_code,
         (size_t)(fbx_gate_end - (const char*)fbx_gate_code));
  if (fbx_sys(__NR_mprotect, at, 4096, PROT_READ | PROT_EXEC, 0, 0, 0) < 0) {
    fbx_sys(__NR_munmap, at, 4096, 0, 0, 0, 0);
    return;
  }
  fbx_gate = (fbx_gate_fn*)at;
  fbx_own = (fbx_gate_fn*)(at + (FBX_OWN_CALLS - FBX_SHIM_GATE));
}

static_assert(FBX_SHIM_GATE_BYTES == FBX_OWN_CALLS_END - FBX_SHIM_GATE, "both passes");

static int put(struct sock_filter* p, int n, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
  p[n] = (struct sock_filter){code, yes, no, k};
  return n + 1;
}

#define LOAD(field) \
  n = put(p, n, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field), 0, 0)
#define WHEN(op, k, yes, no) n = put(p, n, BPF_JMP | BPF_##op | BPF_K, k, yes, no)
#define GIVE(k) n = put(p, n, BPF_RET | BPF_K, k, 0, 0)

// Every call of `gated`: passes from the gate, else goes to the supervisor. Calls of another
// architecture and io_uring are told to the supervisor too, as runner/inject/seccomp_filter.h says.
static int filter(struct sock_filter* p) {
  const struct fbx_shim_head* head = &fbx_here->head;
  const uint64_t gate = (uint64_t)fbx_gate;
  const int fixed = gate == FBX_SHIM_GATE;
  int n = 0;
  LOAD(arch);
  WHEN(JEQ, ARCH, 1, 0);
  GIVE(SECCOMP_RET_USER_NOTIF);
  LOAD(nr);
  WHEN(JGE, X32_BIT, 0, 1);
  GIVE(SECCOMP_RET_USER_NOTIF);
  WHEN(JEQ, __NR_seccomp, 0, 4);
  LOAD(args[0]);
  WHEN(JEQ, FBX_SHIM_PROBE, 0, 1);
  GIVE(SECCOMP_RET_ERRNO |
       ((fixed ? FBX_SHIM_PROBE_FIXED : FBX_SHIM_PROBE_LOCAL) + (uint32_t)(head->nonce % 500)));
  GIVE(SECCOMP_RET_ALLOW);
  WHEN(JEQ, __NR_io_uring_setup, 0, 1);
  GIVE(head->flags & FBX_SHIM_NO_IO_URING ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_USER_NOTIF);
  WHEN(JEQ, __NR_io_submit, 0, 1);
  GIVE(SECCOMP_RET_USER_NOTIF);
  // One test per word of the bitmap and one per call; the jump to `gate` is unconditional because
  // conditional ones reach 255 instructions only.
  int jumps[FBX_NR_WORDS * 64], count = 0;
  for (uint32_t nr = 0; nr < FBX_NR_WORDS * 64; nr++) {
    if (!(head->gated[nr >> 6] >> (nr & 63) & 1)) continue;
    WHEN(JEQ, nr, 0, 1);
    jumps[count++] = n;
    n = put(p, n, BPF_JMP | BPF_JA, 0, 0, 0);
  }
  GIVE(SECCOMP_RET_ALLOW);
  for (int i = 0; i < count; i++) p[jumps[i]].k = (uint32_t)(n - jumps[i] - 1);
  LOAD(instruction_pointer);
  p[n - 1].k += 4;
  WHEN(JEQ, (uint32_t)(gate >> 32), 0, 4);
  LOAD(instruction_pointer);
  WHEN(JGE, (uint32_t)gate, 0, 2);
  WHEN(JGE, (uint32_t)gate + FBX_SHIM_GATE_BYTES, 1, 0);
  GIVE(SECCOMP_RET_ALLOW);
  GIVE(SECCOMP_RET_USER_NOTIF);
  return n;
}

static void tell_door(uint32_t state) {
  __atomic_store_n(&fbx_here->head.door, state, __ATOMIC_RELEASE);
  fbx_sys(__NR_futex, &fbx_here->head.door, FUTEX_WAKE, 0x7fffffff, 0, 0, 0);
}

static void await_adoption(long fd) {
  struct fbx_shim_head* head = &fbx_here->head;
  head->door_fd = (int)fd;
  head->door_pid = (int)fbx_sys(__NR_getpid, 0, 0, 0, 0, 0, 0);
  tell_door(FBX_DOOR_PUBLISHED);
  long slice[2] = {0, 50000000};
  while (__atomic_load_n(&head->door, __ATOMIC_ACQUIRE) == FBX_DOOR_PUBLISHED && fbx_owner_lives())
    fbx_sys(__NR_futex, &head->door, FUTEX_WAIT, FBX_DOOR_PUBLISHED, slice, 0, 0);
  fbx_sys(__NR_close, fd, 0, 0, 0, 0, 0);
}

static long install(void) {
  struct sock_filter program[PROGRAM];
  struct sock_fprog prog = {(unsigned short)filter(program), program};
  const long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
                     SECCOMP_FILTER_FLAG_TSYNC_ESRCH | (1l << 5);  // WAIT_KILLABLE_RECV
  long fd = fbx_sys(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog, 0, 0, 0);
  if (fd != -EACCES) return fd;
  fbx_sys(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
  return fbx_sys(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog, 0, 0, 0);
}

void fbx_enter_gate(void) {
  struct fbx_shim_head* head = &fbx_here->head;
  const long tag = (long)(head->nonce % 500);
  const long probe = -fbx_sys(__NR_seccomp, FBX_SHIM_PROBE, 0, 0, 0, 0, 0);
  if (probe == (long)FBX_SHIM_PROBE_FIXED + tag && (uint64_t)fbx_gate == FBX_SHIM_GATE) {
    fbx_gated = 1;
    __atomic_fetch_add(&head->gated_processes, 1, __ATOMIC_RELAXED);
    return;
  }
  if (probe == (long)FBX_SHIM_PROBE_FIXED + tag || probe == (long)FBX_SHIM_PROBE_LOCAL + tag) {
    __atomic_fetch_add(&head->outside, 1, __ATOMIC_RELAXED);
    fbx_here = 0;
    return;
  }
  uint32_t any = 0;
  for (int i = 0; i < FBX_NR_WORDS; i++) any |= head->gated[i] != 0;
  if (!any) return;
  uint32_t state = FBX_DOOR_FREE;
  if (__atomic_compare_exchange_n(&head->door, &state, FBX_DOOR_CLAIMED, 0, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE)) {
    const long fd = install();
    if (fd >= 0) {
      fbx_gated = 1;
      __atomic_fetch_add(&head->gated_processes, 1, __ATOMIC_RELAXED);
      await_adoption(fd);
      return;
    }
    head->door_errno = (int)-fd;
    tell_door(FBX_DOOR_REFUSED);
  }
  __atomic_fetch_add(&head->bare, 1, __ATOMIC_RELAXED);
}

// The segment's path, from the environment as exec passed it: libc may not be ready yet, and musl
// gives constructors no arguments.
static int segment_path(char* path) {
  static const char kName[] = FBX_SHIM_ENV "=";
  char piece[512];
  int at = 0, in = 0, skip = 0;
  long fd = fbx_sys(__NR_openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC, 0, 0, 0);
  if (fd < 0) return 0;
  for (long got; (got = fbx_sys(__NR_read, fd, piece, sizeof piece, 0, 0, 0)) > 0;) {
    for (long i = 0; i < got; i++) {
      if (in && at < FBX_TEXT) path[at++] = piece[i];
      if (in && !piece[i]) goto done;
      if (!piece[i]) {
        at = skip = 0;
      } else if (!in && !skip) {
        if (piece[i] != kName[at])
          skip = 1;
        else if (!kName[++at])
          in = 1, at = 0;
      }
    }
  }
done:
  fbx_sys(__NR_close, fd, 0, 0, 0, 0, 0);
  return in && at > 1 && at < FBX_TEXT;
}

static struct fbx_shim* map_segment(void) {
  char path[FBX_TEXT];
  if (!segment_path(path)) return 0;
  long fd = fbx_sys(__NR_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0, 0, 0);
  if (fd < 0) return 0;
  struct stat st;
  struct fbx_shim* shim = 0;
  if (fbx_sys(__NR_fstat, fd, &st, 0, 0, 0, 0) == 0 && st.st_size == (long)sizeof *shim) {
    long at = fbx_sys(__NR_mmap, 0, sizeof *shim, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at > 0 || at < -4095) shim = (struct fbx_shim*)at;
  }
  fbx_sys(__NR_close, fd, 0, 0, 0, 0, 0);
  if (shim && (shim->head.magic != FBX_SHIM_MAGIC || shim->head.version != FBX_SHIM_VERSION ||
               shim->head.size != sizeof *shim)) {
    fbx_sys(__NR_munmap, shim, sizeof *shim, 0, 0, 0, 0);
    shim = 0;
  }
  return shim;
}

static __attribute__((constructor)) void start(void) {
  fbx_map_gate();
  fbx_here = map_segment();
  if (!fbx_here) return;
  if (!fbx_owner_lives()) {
    fbx_here = 0;
    return;
  }
  __atomic_fetch_add(&fbx_here->head.attached, 1, __ATOMIC_RELAXED);
  fbx_find_clock();
  fbx_watch_forks();
  fbx_enter_gate();
}
