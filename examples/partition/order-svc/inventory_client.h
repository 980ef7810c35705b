// SPDX-License-Identifier: Apache-2.0
//
// How order-svc asks inventory-svc: a blocking dial, one line out, one line back.
//
// With `pooled`, connections are kept between requests. A kept connection that turns out to be
// dead fails the request that found out: whether inventory has seen that request cannot be known,
// so it is never sent twice. The next one dials anew.
//
// Thread rule: any thread; requests run side by side, each on a connection of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "examples/partition/common/line_socket.h"

namespace shop {

// Inventory is given up on when it is silent for this long: per dial, and per wait for its answer.
inline constexpr std::chrono::milliseconds kPatience{1000};

struct Answer {
  std::string line = {};   // what inventory said, when error is empty
  std::string error = {};  // why there is no answer: "inventory unreachable: Connection refused"
};

class InventoryClient {
 public:
  // `host` is a numeric IPv4 address or "localhost".
  InventoryClient(std::string host, uint16_t port, bool pooled)
      : host_(std::move(host)), port_(port), pooled_(pooled) {}

  [[nodiscard]] Answer ask(const std::string& request);

 private:
  std::optional<LineSocket> take_idle();
  void keep(LineSocket connection);

  const std::string host_;
  const uint16_t port_;
  const bool pooled_;
  std::mutex mutex_;
  std::vector<LineSocket> idle_;
};

}  // namespace shop
