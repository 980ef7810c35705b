// SPDX-License-Identifier: Apache-2.0
#include "examples/partition/order-svc/shop_api.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

namespace shop {

namespace {

using nlohmann::json;

struct Order {
  std::string sku;
  int quantity;
};

HttpAnswer refusal(int status, const std::string& error) {
  return {.status = status, .body = json{{"error", error}}.dump()};
}

// A sku goes into inventory's line protocol, so nothing that could end or split a line.
bool is_sku(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '_';
  });
}

std::optional<Order> parse_order(const std::string& body) {
  const json parsed = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("sku") || !parsed.contains("qty")) return {};
  const json& sku = parsed["sku"];
  const json& quantity = parsed["qty"];
  if (!sku.is_string() || !is_sku(sku.get<std::string>())) return {};
  if (!quantity.is_number_integer()) return {};
  const auto n = quantity.get<long long>();
  if (n < 1 || n > 1'000'000) return {};
  return Order{sku.get<std::string>(), static_cast<int>(n)};
}

std::optional<int> to_number(std::string_view text) {
  int n = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (bad != std::errc() || end != text.data() + text.size()) return {};
  return n;
}

}  // namespace

HttpAnswer ShopApi::answer(std::string_view method, std::string_view path,
                           const std::string& body) {
  constexpr std::string_view kInventory = "/inventory/";
  const bool look = path.starts_with(kInventory);
  const bool health = path == "/health";
  const bool orders = path == "/orders";
  if (!look && !health && !orders) return refusal(404, "no such path");
  if (method != (orders ? "POST" : "GET")) return refusal(405, "no such method here");
  if (health) return {.body = json{{"status", "healthy"}}.dump()};
  if (orders) return place_order(body);
  return look_up(std::string(path.substr(kInventory.size())));
}

HttpAnswer ShopApi::place_order(const std::string& body) {
  const std::optional<Order> order = parse_order(body);
  if (!order) return refusal(400, "not an order: {\"sku\": \"widget\", \"qty\": 1} is one");

  const Answer said =
      inventory_.ask("RESERVE " + order->sku + " " + std::to_string(order->quantity));
  if (!said.error.empty()) return refusal(503, said.error);
  if (said.line == "ERR insufficient stock" || said.line == "ERR unknown sku") {
    return refusal(409, said.line.substr(4));
  }
  const std::optional<int> left =
      said.line.starts_with("OK ") ? to_number(said.line.substr(3)) : std::nullopt;
  if (!left) return refusal(500, "inventory: " + said.line);
  return {.body = json{{"status", "confirmed"},
                       {"sku", order->sku},
                       {"qty", order->quantity},
                       {"left", *left}}
                      .dump()};
}

HttpAnswer ShopApi::look_up(const std::string& sku) {
  if (!is_sku(sku)) return refusal(404, "no such sku");
  const Answer said = inventory_.ask("CHECK " + sku);
  if (!said.error.empty()) return refusal(503, said.error);
  if (said.line == "NOT_FOUND") return refusal(404, "no such sku");
  const std::optional<int> quantity = to_number(said.line);
  if (!quantity) return refusal(500, "inventory: " + said.line);
  return {.body = json{{"sku", sku}, {"quantity", *quantity}}.dump()};
}

}  // namespace shop
