// SPDX-License-Identifier: Apache-2.0
//
// order-svc: takes orders by HTTP (shop_api.h) and reserves what they need in inventory-svc. PORT
// (8080), INVENTORY_ADDR (127.0.0.1:5432) and POOL (1 keeps connections to inventory between
// orders) come from the environment. SIGTERM lets the orders under way finish and exits with 0.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cerrno>
#include <charconv>
#include <string>

#include "examples/partition/order-svc/http_server.h"
#include "examples/partition/order-svc/inventory_client.h"
#include "examples/partition/order-svc/shop_api.h"

namespace {

std::string env_or(const char* name, const char* otherwise) {
  const char* value = getenv(name);
  return value != nullptr ? value : otherwise;
}

[[noreturn]] void die(const std::string& what) {
  fprintf(stderr, "order-svc: %s\n", what.c_str());
  exit(1);
}

uint16_t to_port(const char* name, const std::string& text) {
  uint16_t port = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), port);
  if (parsed.ec != std::errc() || *parsed.ptr != '\0') {
    die(std::string(name) + ": no port: " + text);
  }
  return port;
}

}  // namespace

int main() {
  const uint16_t port = to_port("PORT", env_or("PORT", "8080"));
  const std::string address = env_or("INVENTORY_ADDR", "127.0.0.1:5432");
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) die("INVENTORY_ADDR is host:port, not " + address);
  const uint16_t inventory_port = to_port("INVENTORY_ADDR", address.substr(colon + 1));

  shop::InventoryClient inventory(address.substr(0, colon), inventory_port,
                                  env_or("POOL", "0") == "1");
  shop::ShopApi api(inventory);
  shop::HttpServer server({.answers_at_once = shop::ShopApi::answers_at_once,
                           .answer = [&api](std::string_view method, std::string_view path,
                                            const std::string& body) {
                             return api.answer(method, path, body);
                           }});
  if (!server.listen(port)) die("port " + std::to_string(port) + ": " + strerror(errno));
  printf("order-svc listens on 127.0.0.1:%u, inventory at %s\n", unsigned{port}, address.c_str());
  fflush(stdout);
  server.run();
  printf("order-svc ends\n");
}
