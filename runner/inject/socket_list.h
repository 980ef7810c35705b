// SPDX-License-Identifier: Apache-2.0
//
// Every TCP and unix socket of the calling thread's network namespace with the service that made
// it, as the BPF iterators list them (bpf/sockets.bpf.c).
//
// Thread rule: called by threads inside the test's network namespace; no shared state.
#pragma once

#include <vector>

#include "base/result.h"
#include "bpf/abi/cut.h"
#include "runner/observe/bpf_object.h"

namespace fbx::inject {

// The seam that tests replace.
class SocketList {
 public:
  virtual ~SocketList() = default;
  [[nodiscard]] virtual Result<std::vector<fbx_tcp_end>> tcp() const = 0;
  // Those that listen: asked for each dial, so not by way of all (some ms where the kernel's table
  // is large).
  [[nodiscard]] virtual Result<std::vector<fbx_tcp_end>> tcp_listeners() const = 0;
  [[nodiscard]] virtual Result<std::vector<fbx_unix_end>> unix_sockets() const = 0;
};

// `object` must outlive it, loaded with sockets__list_tcp and sockets__list_unix.
class BpfSocketList : public SocketList {
 public:
  explicit BpfSocketList(const observe::BpfObject& object) : object_(object) {}
  [[nodiscard]] Result<std::vector<fbx_tcp_end>> tcp() const override;
  [[nodiscard]] Result<std::vector<fbx_tcp_end>> tcp_listeners() const override;
  [[nodiscard]] Result<std::vector<fbx_unix_end>> unix_sockets() const override;

 private:
  const observe::BpfObject& object_;
};

}  // namespace fbx::inject
