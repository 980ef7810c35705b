// SPDX-License-Identifier: Apache-2.0
//
// Appends each line that comes on PORT to OUT through an io_uring, made anew each time, so that no
// system call of the write family is made. Answers "OK", or "ERR <errno>" when the ring can't be
// had.
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "victim.h"

static void* map_ring(int ring, size_t size, off_t what) {
  void* at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
  must(at != MAP_FAILED, "mmap");
  return at;
}

static uint32_t* field(void* ring, uint32_t offset) {
  return (uint32_t*)((char*)ring + offset);
}

// 0, or the errno with which a ring is refused.
static int write_by_ring(int out, const char* text, size_t size) {
  struct io_uring_params p = {0};
  const int ring = (int)syscall(SYS_io_uring_setup, 1, &p);
  if (ring < 0) return errno;
  void* sq = map_ring(ring, p.sq_off.array + p.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
  struct io_uring_cqe* done;
  void* cq = map_ring(ring, p.cq_off.cqes + p.cq_entries * sizeof *done, IORING_OFF_CQ_RING);
  struct io_uring_sqe* call = map_ring(ring, p.sq_entries * sizeof *call, IORING_OFF_SQES);
  memset(call, 0, sizeof *call);
  call->opcode = IORING_OP_WRITE;
  call->fd = out;
  call->addr = (uint64_t)(uintptr_t)text;
  call->len = (uint32_t)size;
  call->off = (uint64_t)-1;
  *field(sq, p.sq_off.array) = 0;
  __atomic_store_n(field(sq, p.sq_off.tail), 1, __ATOMIC_RELEASE);
  must(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1, "enter");
  done = (struct io_uring_cqe*)((char*)cq + p.cq_off.cqes);
  must(done->res == (int)size, "write by ring");
  close(ring);
  return 0;
}

int main(void) {
  const int out = open(env_or("OUT", "/tmp/ring.out"), O_WRONLY | O_CREAT | O_APPEND, 0644);
  must(out >= 0, "open");
  const int listener = listen_on(env_int("PORT", 7001));
  say("listens");
  for (;;) {
    const int client = accept_one(listener);
    char line[256];
    while (read_line(client, line, sizeof line - 1)) {
      strcat(line, "\n");
      const int refused = write_by_ring(out, line, strlen(line));
      char reply[32] = "OK\n";
      if (refused != 0) snprintf(reply, sizeof reply, "ERR %d\n", refused);
      send_text(client, reply);
    }
    close(client);
  }
}
