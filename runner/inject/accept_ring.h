// SPDX-License-Identifier: Apache-2.0
//
// Takes a connection out of a listening socket's queue, never waiting for one. accept(2) can't: a
// copy of a service's descriptor waits when the service's does, and O_NONBLOCK would be set for
// both. A ring makes the call without waiting, whatever the descriptor says.
//
// Thread rule: one thread at a time.
#pragma once

#include <memory>

#include "base/result.h"

struct io_uring;

namespace fbx::inject {

class AcceptRing {
 public:
  // Fails where the kernel forbids rings (kernel.io_uring_disabled, a container's filter).
  static Result<std::unique_ptr<AcceptRing>> create();
  ~AcceptRing();
  AcceptRing(const AcceptRing&) = delete;
  AcceptRing& operator=(const AcceptRing&) = delete;

  // True: there was a connection, and it is closed by now: its other end reads the end of the
  // stream, or a reset where it had sent something. False: there was none.
  Result<bool> consume(int listener);

 private:
  AcceptRing();
  std::unique_ptr<io_uring> ring_;
};

}  // namespace fbx::inject
