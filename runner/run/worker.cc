// SPDX-License-Identifier: Apache-2.0
#include "runner/run/worker.h"

#include <poll.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "runner/report/json.h"
#include "runner/run/test_run.h"

namespace fbx::run {

using nlohmann::json;

std::string to_text(const Order& order) {
  json text = {{"plan", order.plan},     {"test", order.test},
               {"number", order.number}, {"seed", order.seed},
               {"timeout_ns", order.timeout_ns}, {"strict", order.strict},
               {"keep", order.keep_folder}};
  if (order.baseline) text["baseline"] = static_cast<int>(*order.baseline);
  text["escaped"] = order.escaped;
  return text.dump();
}

Result<Order> order_from_text(std::string_view text) {
  const json in = json::parse(text, nullptr, false);
  if (!in.is_object()) return fail("an order that is no JSON object");
  Order order;
  order.plan = in.value("plan", 0u);
  order.test = in.value("test", 0u);
  order.number = in.value("number", 0u);
  order.seed = in.value("seed", uint64_t{0});
  order.timeout_ns = in.value("timeout_ns", int64_t{0});
  order.strict = in.value("strict", false);
  order.keep_folder = in.value("keep", std::string());
  if (in.contains("baseline")) {
    order.baseline = static_cast<report::Verdict>(in.value("baseline", 0));
  }
  if (in.contains("escaped")) in.at("escaped").get_to(order.escaped);
  return order;
}

namespace {

// Waits for an order. False when the run is to end or the front is gone.
Result<bool> wait_for_order(const sandbox::WorkerContext& context) {
  pollfd fds[2] = {{context.channel->poll_fd(), POLLIN, 0}, {context.stop_fd, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0) {
    if (errno != EINTR) return fail_errno("waiting for an order");
  }
  return fds[1].revents == 0;
}

// A thread that has entered an ordinary user's network never comes back (sandbox.h: NetworkVisit),
// so it lives no longer than the test.
report::TestOutcome run_in_place(sandbox::Place place, const TestContext& test) {
  if (place != sandbox::Place::kUserNamespace) return run_test(test);
  std::optional<report::TestOutcome> outcome;
  std::thread([&] { outcome = run_test(test); }).join();
  return std::move(*outcome);
}

Status serve_one(const sandbox::WorkerContext& context, const TestContext& parts,
                 const std::vector<const plan::Plan*>& plans,
                 const std::vector<std::vector<inject::Program>>& programs,
                 std::string_view text) {
  Result<Order> order = order_from_text(text);
  if (!order) return fail_in(std::move(order), "reading an order");
  TestContext test = parts;
  test.plan = plans.at(order->plan);
  test.plan_number = order->plan;
  test.test = order->test;
  test.number = order->number;
  test.seed = order->seed;
  test.timeout_ns = order->timeout_ns;
  test.strict = order->strict;
  test.keep_folder = order->keep_folder;
  test.baseline = order->baseline;
  const inject::Known known{.programs = programs.at(order->plan), .escaped = order->escaped};
  test.known = &known;
  return context.channel->send(report::to_json(run_in_place(context.place, test)));
}

Status serve_orders(sandbox::WorkerContext& context, Machine& machine,
                    const std::vector<const plan::Plan*>& plans,
                    const std::vector<std::vector<inject::Program>>& programs,
                    observe::TraceWriter* trace) {
  auto observer = machine.make_observer(context);
  if (!observer) return fail_in(std::move(observer), "making the observer");
  auto injector = machine.make_injector(context, **observer);
  if (!injector) return fail_in(std::move(injector), "making the injector");
  TestContext parts{
      .worker = &context, .observer = observer->get(), .injector = injector->get(), .trace = trace};
  for (;;) {
    Result<bool> go_on = wait_for_order(context);
    if (!go_on) return std::unexpected(go_on.error());
    if (!*go_on) return {};
    auto message = context.channel->receive();
    if (!message) return fail_in(std::move(message), "receiving an order");
    if (!*message) return {};
    if (Status served = serve_one(context, parts, plans, programs, **message); !served) return served;
  }
}

}  // namespace

int serve(sandbox::WorkerContext& context, Machine& machine,
          const std::vector<const plan::Plan*>& plans,
          const std::vector<std::vector<inject::Program>>& programs, observe::TraceWriter* trace) {
  const Status served = serve_orders(context, machine, plans, programs, trace);
  if (served) return 0;
  std::fprintf(stderr, "fbx: worker: %s\n", served.error().text().c_str());
  return 1;
}

}  // namespace fbx::run
