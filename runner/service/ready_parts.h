// SPDX-License-Identifier: Apache-2.0
//
// The kinds of readiness check, one file each; readiness.cc chooses.
//
// Thread rule: as readiness.h.
#pragma once

#include <netinet/in.h>

#include <memory>
#include <string>
#include <vector>

#include "runner/service/readiness.h"

namespace fbx::service {

// Where a check dials.
struct DialTarget {
  std::vector<sockaddr_storage> addresses;  // tried in turn; "localhost" is 127.0.0.1, then ::1
  uint16_t port = 0;
  std::string host;  // as written
  std::string path;  // of a URL: "/health"
};

// "localhost:5432", "tcp://127.0.0.1:5432", "[::1]:80". The port must be there.
Result<DialTarget> parse_tcp_target(const std::string& text);
// "http://localhost:8080/health", "localhost:8080/health"; port 80 unless written.
Result<DialTarget> parse_http_target(const std::string& text);

// Every interface listens.
std::unique_ptr<ReadyCheck> make_listen_check(const ReadyContext& context, size_t service);
// Accepts a connection; with `http`, answers "GET path" with `status` (0 = 200…399).
std::unique_ptr<ReadyCheck> make_dial_check(const ReadyContext& context, size_t service,
                                            DialTarget target, bool http, int status);

// A command that ends with 0: run again until it does.
std::unique_ptr<ReadyCheck> make_command_check(const ReadyContext& context, size_t service,
                                               std::vector<std::string> argv);
// A line of the service's output, of either stream, in which `pattern` (RE2) is found.
Result<std::unique_ptr<ReadyCheck>> make_output_check(const ReadyContext& context, size_t service,
                                                      const std::string& pattern);

// Whether a stream or datagram socket of the service is bound to a path in the sandbox.
ReadyAnswer unix_answer(const ReadyContext& context, size_t service,
                        const plan::Interface& interface);

}  // namespace fbx::service
