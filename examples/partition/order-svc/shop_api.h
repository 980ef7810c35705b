// SPDX-License-Identifier: Apache-2.0
//
// What order-svc answers, apart from HTTP itself:
//   GET  /health            200
//   GET  /inventory/{sku}   200 with the quantity, 404 for an unknown sku
//   POST /orders            200 confirmed with what is left; 400 for a body that is no order; 409
//                           when there is not enough; 500 when inventory answers ERR
//   both of the latter      503 with the reason when inventory cannot be reached or is silent
// Every body is a JSON object; those below 400 apart, it has "error".
//
// Thread rule: any thread. An answer may block for as long as inventory is waited for.
#pragma once

#include <string>
#include <string_view>

#include "examples/partition/order-svc/inventory_client.h"

namespace shop {

struct HttpAnswer {
  int status = 200;
  std::string body = {};
};

class ShopApi {
 public:
  explicit ShopApi(InventoryClient& inventory) : inventory_(inventory) {}

  // Whether the answer is at hand without asking inventory.
  [[nodiscard]] static bool answers_at_once(std::string_view path) { return path == "/health"; }

  // `method` is "GET", "POST", or anything else (405); `path` is without the query.
  [[nodiscard]] HttpAnswer answer(std::string_view method, std::string_view path,
                                  const std::string& body);

 private:
  HttpAnswer place_order(const std::string& body);
  HttpAnswer look_up(const std::string& sku);

  InventoryClient& inventory_;
};

}  // namespace shop
