// SPDX-License-Identifier: Apache-2.0
//
// What is on the shelves, and the one protocol to it: a text line in, a text line out.
//   PING            PONG
//   CHECK sku       the quantity, or NOT_FOUND
//   RESERVE sku n   OK left, or ERR reason
//
// Thread rule: any thread; requests are served one at a time.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "examples/partition/inventory-svc/wal.h"

namespace shop {

class Stock {
 public:
  explicit Stock(Wal wal) : wal_(std::move(wal)) {}

  // The answer to one request line, without its line end. Nothing is reserved before its record is
  // on disk.
  [[nodiscard]] std::string answer(std::string_view request);

  // Waits for the reservation under way and admits none after it: for an orderly end.
  void close_for_good() { mutex_.lock(); }

 private:
  std::string check(const std::string& sku);
  std::string reserve(const std::string& sku, const std::string& quantity);

  std::mutex mutex_;
  Wal wal_;
  std::map<std::string, int> left_ = {{"widget", 100}, {"gadget", 50}, {"gizmo", 25}};
};

}  // namespace shop
