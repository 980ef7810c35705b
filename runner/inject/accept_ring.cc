// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/accept_ring.h"

#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace fbx::inject {
namespace {

constexpr unsigned kEntries = 4;
constexpr uint64_t kAccept = 1, kCancel = 2;

}  // namespace

Result<std::unique_ptr<AcceptRing>> AcceptRing::create() {
  std::unique_ptr<AcceptRing> made(new AcceptRing);
  if (const int r = io_uring_queue_init(kEntries, made->ring_.get(), 0); r < 0) {
    made->ring_->ring_fd = -1;
    return fail_errno("making a ring to take connections with", -r);
  }
  return made;
}

AcceptRing::AcceptRing() : ring_(std::make_unique<io_uring>()) {}

AcceptRing::~AcceptRing() {
  if (ring_->ring_fd >= 0) io_uring_queue_exit(ring_.get());
}

// The second entry ends the first where that would have waited, so both are answered at once.
Result<bool> AcceptRing::consume(int listener) {
  io_uring_sqe* accept = io_uring_get_sqe(ring_.get());
  io_uring_prep_accept(accept, listener, nullptr, nullptr, SOCK_CLOEXEC);
  accept->user_data = kAccept;
  io_uring_sqe* cancel = io_uring_get_sqe(ring_.get());
  io_uring_prep_cancel64(cancel, kAccept, 0);
  cancel->user_data = kCancel;
  int taken = -ECANCELED;
  const int submitted = io_uring_submit_and_wait(ring_.get(), 2);
  if (submitted < 0) return fail_errno("taking a connection", -submitted);
  for (int answers = 0; answers < 2; ++answers) {
    io_uring_cqe* answer = nullptr;
    int r = io_uring_wait_cqe(ring_.get(), &answer);
    while (r == -EINTR) r = io_uring_wait_cqe(ring_.get(), &answer);
    if (r < 0) return fail_errno("taking a connection", -r);
    if (answer->user_data == kAccept) taken = answer->res;
    io_uring_cqe_seen(ring_.get(), answer);
  }
  if (taken == -ECANCELED || taken == -EAGAIN || taken == -EINTR) return false;
  if (taken < 0) return fail_errno("taking a connection", -taken);
  ::close(taken);
  return true;
}

}  // namespace fbx::inject
