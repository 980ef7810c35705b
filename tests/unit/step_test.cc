// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <thread>

#include "runner/step/step_client.h"
#include "tests/unit/step_server.h"

using namespace fbx;
using namespace fbx::step;
using fbx::model::ExchangeStep;

namespace {

plan::Plan plan_with(uint16_t port, plan::Protocol protocol) {
  plan::Plan plan;
  plan::Service service;
  service.name = "orders";
  service.interfaces.push_back({"public", protocol, port, ""});
  plan.services.push_back(service);
  return plan;
}

model::HttpStep get(const std::string& path) {
  model::HttpStep step;
  step.method = "GET";
  step.path = path;
  step.timeout_ns = 5'000'000'000;
  return step;
}

std::string http(const std::string& head, const std::string& body) {
  return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nX-Two: B \r\n\r\n" + body;
}

}  // namespace

TEST_CASE("an http answer becomes a result") {
  struct Row {
    const char* what;
    Part part;
    int status;
    bool ok;
    std::string body, error;
  };
  const std::string blank = "\r\n\r\n";
  const Row rows[] = {
      {"200", {blank, http("200 OK", "hello")}, 200, true, "hello", ""},
      {"503", {blank, http("503 No", "why")}, 503, false, "why", ""},
      {"399 is ok", {blank, http("399 Odd", "")}, 399, true, "", ""},
      {"in pieces", {blank, http("200 OK", "hello"), Ending::kClose, 3}, 200, true, "hello", ""},
      {"100 first",
       {blank, "HTTP/1.1 100 Continue\r\n\r\n" + http("200 OK", "x")},
       200,
       true,
       "x",
       ""},
      {"silent close", {blank, ""}, 0, false, "", "empty reply"},
      {"reset", {blank, "", Ending::kReset}, 0, false, "", "connection reset by peer"},
      {"silence", {blank, "", Ending::kHold}, 0, false, "", "timed out after 200ms"},
      {"no http", {blank, "PONG\n"}, 0, false, "", "not an HTTP answer"},
      {"cut body",
       {blank, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"},
       200,
       false,
       "abc",
       "closed before the answer ended (after 3 bytes)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    uint16_t port = 0;
    const int listener = listen_on_loopback(port);
    const Server server(listener, {row.part});
    const plan::Plan plan = plan_with(port, plan::Protocol::kHttp);
    StepClient client(plan, nullptr, -1);
    model::HttpStep step = get("/x?a=1");
    if (row.part.ending == Ending::kHold) step.timeout_ns = 200'000'000;
    const StepOutcome outcome = client.perform(step);
    CHECK(outcome.result.status == row.status);
    CHECK(outcome.result.ok == row.ok);
    CHECK(outcome.result.body == row.body);
    CHECK(outcome.result.error == row.error);
    CHECK(outcome.result.duration_ms > 0);
    CHECK_FALSE(outcome.doubt);
  }
}

TEST_CASE("an http request says what was asked, and nothing else") {
  uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  const plan::Plan plan = plan_with(port, plan::Protocol::kHttp);
  std::string request;
  {
    Server server(listener, {{"qty", http("200 OK", "")}});
    StepClient client(plan, nullptr, -1);
    model::HttpStep step = get("orders/a%20b?x=1");
    step.method = "POST";
    step.body = "{\"qty\":1}";
    step.headers = {{"X-One", "1"}, {"X-Empty", ""}};
    const StepOutcome outcome = client.perform(step);
    CHECK(outcome.result.status == 200);
    CHECK(outcome.display.starts_with("orders.post orders/a%20b?x=1 → 200, "));
    CHECK(outcome.result.headers == std::vector<std::pair<std::string, std::string>>{
                                        {"content-length", "0"}, {"x-two", "B"}});
    request = server.request();
  }
  CHECK(request == "POST /orders/a%20b?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port) +
                       "\r\nUser-Agent: fbx\r\nAccept: */*\r\nX-One: 1\r\nX-Empty:\r\n" +
                       "Content-Length: 9\r\n\r\n{\"qty\":1}");
}

TEST_CASE("proxy variables are not for steps") {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  const Server server(listener, {{"\r\n\r\n", http("200 OK", "direct")}});
  const plan::Plan plan = plan_with(port, plan::Protocol::kHttp);
  StepClient client(plan, nullptr, -1);
  CHECK(client.perform(get("/")).result.body == "direct");
  ::unsetenv("http_proxy");
}

TEST_CASE("redirects are followed unless follow=False, with the body of the last answer") {
  for (const bool follow : {true, false}) {
    CAPTURE(follow);
    uint16_t port = 0;
    const int listener = listen_on_loopback(port);
    const std::string there = "HTTP/1.1 302 Found\r\nLocation: /there\r\nConnection: close\r\n" +
                              std::string("Content-Length: 4\r\n\r\ngone");
    const Server server(listener, {{"\r\n\r\n", there}, {"/there", http("200 OK", "here")}});
    const plan::Plan plan = plan_with(port, plan::Protocol::kHttp);
    StepClient client(plan, nullptr, -1);
    model::HttpStep step = get("/");
    step.follow = follow;
    const StepOutcome outcome = client.perform(step);
    CHECK(outcome.result.status == (follow ? 200 : 302));
    CHECK(outcome.result.body == (follow ? "here" : "gone"));
  }
}

TEST_CASE("nobody listening is said in plain words by every kind of step") {
  uint16_t port = 0;
  ::close(listen_on_loopback(port));
  const plan::Plan http_plan = plan_with(port, plan::Protocol::kHttp);
  const plan::Plan tcp_plan = plan_with(port, plan::Protocol::kTcp);
  CHECK(StepClient(http_plan, nullptr, -1).perform(get("/")).result.error == "connection refused");
  model::TcpSendStep send;
  send.data = "PING";
  const StepOutcome outcome = StepClient(tcp_plan, nullptr, -1).perform(send);
  CHECK(outcome.result.error == "connection refused");
  CHECK(outcome.display.starts_with("orders.send \"PING\" → connection refused, "));
  CHECK_FALSE(outcome.result.ok);
}

TEST_CASE("send writes a line and gives back the line that comes") {
  struct Row {
    const char* what;
    Part part;
    std::string data, error;
  };
  const Row rows[] = {
      {"a line", {"\n", "PONG\n"}, "PONG", ""},
      {"CR LF", {"\n", "PONG\r\n"}, "PONG", ""},
      {"bytewise", {"\n", "PONG\n", Ending::kClose, 1}, "PONG", ""},
      {"only the first line", {"\n", "one\ntwo\n"}, "one", ""},
      {"an empty line", {"\n", "\n"}, "", ""},
      {"silent close", {"\n", ""}, "", "empty reply"},
      {"cut line", {"\n", "PO"}, "PO", "closed before the line ended (after 2 bytes)"},
      {"reset", {"\n", "", Ending::kReset}, "", "connection reset by peer"},
      {"silence", {"\n", "", Ending::kHold}, "", "timed out after 200ms"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    uint16_t port = 0;
    const int listener = listen_on_loopback(port);
    const Server server(listener, {row.part});
    const plan::Plan plan = plan_with(port, plan::Protocol::kTcp);
    StepClient client(plan, nullptr, -1);
    model::TcpSendStep step;
    step.data = "PING";
    step.timeout_ns = row.part.ending == Ending::kHold ? 200'000'000 : 5'000'000'000;
    const StepOutcome outcome = client.perform(step);
    CHECK(outcome.result.body == row.data);
    CHECK(outcome.result.error == row.error);
    CHECK(outcome.result.ok == row.error.empty());
  }
}

TEST_CASE("an exchange ends where it was told to") {
  struct Row {
    ExchangeStep::Until until;
    std::string delimiter;
    uint64_t count;
    std::string answer, data, error;
  };
  using Until = ExchangeStep::Until;
  const Row rows[] = {
      {Until::kDelimiter, "\n", 0, "a\r\nb", "a\r", ""},
      {Until::kDelimiter, "\r\n\r\n", 0, "a\r\nb\r\n\r\nrest", "a\r\nb", ""},
      {Until::kDelimiter, "END", 0, "xEENDy", "xE", ""},
      {Until::kDelimiter, "END", 0, "xEN", "xEN", "closed before the answer ended (after 3 bytes)"},
      {Until::kDelimiter, "", 0, "x", "", "until=\"\" never ends"},
      {Until::kBytes, "", 4, "abcdef", "abcd", ""},
      {Until::kBytes, "", 9, "abc", "abc", "closed after 3 of 9 bytes"},
      {Until::kLines, "", 2, "a\nb\nc\n", "a\nb", ""},
      {Until::kLines, "", 3, "a\r\n\r\n\rb\r\nc", "a\n\n\rb", ""},
      {Until::kLines, "", 3, "a\nb\n", "a\nb\n", "closed before the line ended (after 4 bytes)"},
      {Until::kBytes, "", 0, "", "", ""},
  };
  for (const size_t chunk : {size_t{0}, size_t{1}}) {
    for (const Row& row : rows) {
      CAPTURE(row.answer);
      CAPTURE(row.delimiter);
      CAPTURE(chunk);
      uint16_t port = 0;
      const int listener = listen_on_loopback(port);
      const Server server(listener, {{"?", row.answer, Ending::kClose, chunk}});
      const plan::Plan plan = plan_with(port, plan::Protocol::kTcp);
      StepClient client(plan, nullptr, -1);
      ExchangeStep step;
      step.data = "what?";
      step.until = row.until;
      step.delimiter = row.delimiter;
      step.count = row.count;
      const StepOutcome outcome = client.perform(step);
      CHECK(outcome.result.body == row.data);
      CHECK(outcome.result.error == row.error);
    }
  }
}

TEST_CASE("a service that answers before it has read everything is heard") {
  uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  const Server server(listener, {{"", "too large\n", Ending::kHold}});
  const plan::Plan plan = plan_with(port, plan::Protocol::kTcp);
  StepClient client(plan, nullptr, -1);
  model::TcpSendStep step;
  step.data = std::string(16 << 20, 'x');
  const StepOutcome outcome = client.perform(step);
  CHECK(outcome.result.body == "too large");
  CHECK(outcome.result.error.empty());
}

TEST_CASE("a unix interface is spoken to at its path") {
  const std::string path = "/tmp/fbx-step-test-" + std::to_string(::getpid()) + ".sock";
  plan::Plan plan = plan_with(0, plan::Protocol::kUnix);
  plan.services[0].interfaces[0].path = path;
  model::TcpSendStep step;
  step.data = "PING";
  {
    const Server server(listen_on_path(path), {{"\n", "PONG\n"}});
    CHECK(StepClient(plan, nullptr, -1).perform(step).result.body == "PONG");
  }
  ::unlink(path.c_str());
  CHECK(StepClient(plan, nullptr, -1).perform(step).result.error == "no such file or directory");
}

TEST_CASE("a datagram goes there and one comes back, or nobody is there") {
  const int server = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(server, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(server, reinterpret_cast<sockaddr*>(&address), &size);
  const plan::Plan plan = plan_with(ntohs(address.sin_port), plan::Protocol::kUdp);
  model::ExchangeStep step;
  step.data = "ping";
  step.until = model::ExchangeStep::Until::kDatagram;
  std::thread answerer([server] {
    char text[16];
    sockaddr_in from{};
    socklen_t from_size = sizeof from;
    const ssize_t n = ::recvfrom(server, text, sizeof text, 0,
                                 reinterpret_cast<sockaddr*>(&from), &from_size);
    ::sendto(server, text, static_cast<size_t>(n), 0, reinterpret_cast<sockaddr*>(&from),
             from_size);
  });
  CHECK(StepClient(plan, nullptr, -1).perform(step).result.body == "ping");
  answerer.join();
  ::close(server);
  CHECK(StepClient(plan, nullptr, -1).perform(step).result.error == "connection refused");
}

TEST_CASE("what came behind an answer is the next one, while still more comes") {
  uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  // Two lines are as much as is read at once; the third is there when the second is asked for.
  const std::string second(16384 - 3, 'x');
  const Server server(listener, {{"a\n", "1\n" + second + "\n3\n", Ending::kHold}});
  const plan::Plan plan = plan_with(port, plan::Protocol::kTcp);
  StepClient client(plan, nullptr, -1);
  CHECK(client.perform(model::ConnectStep{.connection = 7}).result.ok);
  model::TcpSendStep step;
  step.connection = 7;
  step.timeout_ns = 2'000'000'000;
  for (const std::string& answer : {std::string("1"), second, std::string("3")}) {
    step.data = "a";
    const StepOutcome outcome = client.perform(step);
    CHECK(outcome.result.error == "");
    CHECK(outcome.result.body == answer);
  }
}

TEST_CASE("a kept connection is one connection, and a failed exchange closes it") {
  uint16_t port = 0;
  const int listener = listen_on_loopback(port);
  const Server server(listener, {{"a\n", "1\n2\n", Ending::kHold}});
  const plan::Plan plan = plan_with(port, plan::Protocol::kTcp);
  StepClient client(plan, nullptr, -1);
  CHECK(client.perform(model::ConnectStep{.connection = 7}).result.ok);
  model::ExchangeStep step;
  step.connection = 7;
  step.data = "a\n";
  CHECK(client.perform(step).result.body == "1");
  CHECK(client.perform(step).result.body == "2");  // it came behind the first answer
  step.timeout_ns = 50'000'000;
  CHECK(client.perform(step).result.error == "timed out after 50ms");
  CHECK(client.perform(step).result.error == "the connection is closed");
  step.until = model::ExchangeStep::Until::kRegex;
  step.delimiter = "(";
  CHECK_FALSE(client.perform(step).mistake.empty());
}

TEST_CASE("the abort descriptor ends the step in flight at once") {
  for (const bool http_step : {true, false}) {
    CAPTURE(http_step);
    uint16_t port = 0;
    const int listener = listen_on_loopback(port);
    const Server server(listener, {{"\n", "", Ending::kHold}});
    const int abort_fd = ::eventfd(0, EFD_CLOEXEC);
    const plan::Plan plan =
        plan_with(port, http_step ? plan::Protocol::kHttp : plan::Protocol::kTcp);
    StepClient client(plan, nullptr, abort_fd);
    std::thread aborter([abort_fd] {
      const uint64_t one = 1;
      (void)!::write(abort_fd, &one, sizeof one);
    });
    model::TcpSendStep send;
    model::HttpStep slow = get("/");
    send.timeout_ns = slow.timeout_ns = 60'000'000'000;
    const StepOutcome outcome = http_step ? client.perform(slow) : client.perform(send);
    aborter.join();
    CHECK(outcome.aborted);
    CHECK(outcome.result.error == "interrupted");
    CHECK(outcome.result.duration_ms < 5000);
    ::close(abort_fd);
  }
}

TEST_CASE("header lines can't be smuggled") {
  const plan::Plan plan = plan_with(1, plan::Protocol::kHttp);
  model::HttpStep step = get("/");
  step.headers = {{"X", "a\r\nY: b"}};
  CHECK(StepClient(plan, nullptr, -1).perform(step).result.error ==
        "a header's name or value holds a line end");
}
