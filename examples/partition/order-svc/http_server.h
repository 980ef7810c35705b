// SPDX-License-Identifier: Apache-2.0
//
// An HTTP/1.1 server over libevent. One thread runs the event loop; a request that may block is
// answered on a thread of its own, so that a health check goes through while an order is stuck.
//
// Thread rule: run() once, on the thread that made the server. The handlers are called on any
// thread, side by side.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "examples/partition/order-svc/shop_api.h"

namespace shop {

struct HttpHandlers {
  // True for a path whose answer does not block: it is given on the event loop itself.
  std::function<bool(std::string_view path)> answers_at_once;
  std::function<HttpAnswer(std::string_view method, std::string_view path,
                           const std::string& body)>
      answer;
};

class HttpServer {
 public:
  explicit HttpServer(HttpHandlers handlers);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // False when the port of 127.0.0.1 cannot be had; errno says why.
  [[nodiscard]] bool listen(uint16_t port);

  // Serves until SIGTERM or SIGINT, then takes no new connections, answers the requests that are
  // under way, and returns.
  void run();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace shop
