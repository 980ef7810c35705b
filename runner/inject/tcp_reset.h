// SPDX-License-Identifier: Apache-2.0
//
// A TCP reset as the peer would send it: both ends of a connection that gets one each see
// ECONNRESET, as on a network that refuses. (Destroying a socket gives one end ECONNABORTED, which
// no network does.)
//
// A reset is accepted only with exactly the sequence number that the receiver expects next
// (RFC 5961), so nothing may arrive between listing an end and resetting it: drop the pair's
// packets first.
//
// Thread rule: made and used by a thread inside the test's network namespace. Needs CAP_NET_RAW
// there.
#pragma once

#include "base/result.h"
#include "bpf/abi/cut.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {

class TcpReset {
 public:
  static Result<TcpReset> open();
  // To the socket `end`, from its remote address. A dial that is not answered yet gets the reset
  // that a closed port sends: it sees ECONNREFUSED.
  Status send(const fbx_tcp_end& end) const;

 private:
  TcpReset(sandbox::Fd v4, sandbox::Fd v6) : v4_(std::move(v4)), v6_(std::move(v6)) {}
  sandbox::Fd v4_, v6_;
};

}  // namespace fbx::inject
