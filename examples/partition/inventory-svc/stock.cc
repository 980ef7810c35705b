// SPDX-License-Identifier: Apache-2.0
#include "examples/partition/inventory-svc/stock.h"

#include <charconv>
#include <sstream>

namespace shop {

std::string Stock::answer(std::string_view request) {
  std::istringstream words{std::string(request)};
  std::string verb, sku, quantity, surplus;
  words >> verb >> sku >> quantity >> surplus;

  const std::lock_guard lock(mutex_);
  if (verb == "PING" && sku.empty()) return "PONG";
  if (verb == "CHECK" && !sku.empty() && quantity.empty()) return check(sku);
  if (verb == "RESERVE" && !quantity.empty() && surplus.empty()) return reserve(sku, quantity);
  return "ERR bad request";
}

std::string Stock::check(const std::string& sku) {
  const auto item = left_.find(sku);
  return item == left_.end() ? "NOT_FOUND" : std::to_string(item->second);
}

std::string Stock::reserve(const std::string& sku, const std::string& quantity) {
  int n = 0;
  const auto [end, bad] = std::from_chars(quantity.data(), quantity.data() + quantity.size(), n);
  if (bad != std::errc() || end != quantity.data() + quantity.size() || n <= 0) {
    return "ERR bad quantity";
  }
  const auto item = left_.find(sku);
  if (item == left_.end()) return "ERR unknown sku";
  if (item->second < n) return "ERR insufficient stock";
  const std::string error = wal_.append("RESERVE " + sku + " " + std::to_string(n));
  if (!error.empty()) return "ERR wal " + error;
  item->second -= n;
  return "OK " + std::to_string(item->second);
}

}  // namespace shop
