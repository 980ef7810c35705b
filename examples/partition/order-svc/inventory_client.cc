// SPDX-License-Identifier: Apache-2.0
#include "examples/partition/order-svc/inventory_client.h"

#include <string.h>

#include <cerrno>
#include <utility>

namespace shop {

namespace {

// Why a conversation ended without an answer, from the errno that LineSocket left.
std::string lost_because(int why) {
  if (why == EAGAIN) return "inventory is silent";
  if (why == 0) return "inventory hung up";
  return std::string("inventory lost: ") + strerror(why);
}

}  // namespace

Answer InventoryClient::ask(const std::string& request) {
  std::optional<LineSocket> connection = take_idle();
  if (!connection) {
    connection = LineSocket::dial(host_, port_, kPatience);
    if (!connection) {
      const char* why = errno == EINPROGRESS ? "no answer in time" : strerror(errno);
      return {.error = std::string("inventory unreachable: ") + why};
    }
  }
  if (!connection->send_line(request)) return {.error = lost_because(errno)};
  std::optional<std::string> line = connection->read_line();
  if (!line) return {.error = lost_because(errno)};
  if (pooled_) keep(std::move(*connection));
  return {.line = std::move(*line)};
}

std::optional<LineSocket> InventoryClient::take_idle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::nullopt;
  LineSocket connection = std::move(idle_.back());
  idle_.pop_back();
  return connection;
}

void InventoryClient::keep(LineSocket connection) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(connection));
}

}  // namespace shop
