// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "runner/run/front.h"
#include "tests/kernel/run_scripted.h"

namespace fbx::run::testing {

std::map<std::string, std::vector<Line>>& scripts() {
  static std::map<std::string, std::vector<Line>> all;
  return all;
}

namespace {

class ScriptedSession : public model::Session {
 public:
  explicit ScriptedSession(std::vector<Line> lines) : lines_(std::move(lines)) {}

  model::Turn next() override {
    if (ended_ && scopes_.empty()) return *ended_;
    model::Request request{.id = ++requests_, .place = {"script", 1, 1}, .effect = {}};
    if (ended_) {
      request.effect = model::LeaveScope{scopes_.back()};
      scopes_.pop_back();
      return request;
    }
    if (line_ == lines_.size()) {
      ended_ = model::Finished{};
      return next();
    }
    request.effect = lines_[line_].effect;
    note_scope(request.effect);
    return request;
  }

  void resume(model::Response response) override {
    if (ended_) return;
    const Line& line = lines_[line_++];
    std::optional<std::string> wrong;
    if (const auto* fail = std::get_if<model::Fail>(&response)) wrong = fail->message;
    if (!wrong && line.check) wrong = line.check(response);
    if (wrong) {
      ended_ = model::Finished{.how = model::Finished::How::kFailed, .message = *wrong};
    }
  }

  void cancel(std::string reason) override {
    if (ended_) return;
    ended_ = model::Finished{.how = model::Finished::How::kCancelled, .message = reason};
  }

 private:
  void note_scope(const model::Effect& effect) {
    if (const auto* faults = std::get_if<model::InstallFaults>(&effect)) {
      scopes_.push_back(faults->scope);
    } else if (const auto* cut = std::get_if<model::InstallPartition>(&effect)) {
      scopes_.push_back(cut->scope);
    } else if (std::get_if<model::LeaveScope>(&effect) != nullptr) {
      scopes_.pop_back();
    }
  }

  std::vector<Line> lines_;
  size_t line_ = 0;
  uint64_t requests_ = 0;
  std::vector<model::ScopeId> scopes_;
  std::optional<model::Finished> ended_;
};

}  // namespace

}  // namespace fbx::run::testing

namespace fbx::model {

Result<std::unique_ptr<Session>> Session::start(const plan::Plan& plan, size_t test,
                                                const SessionOptions&) {
  return std::make_unique<run::testing::ScriptedSession>(
      run::testing::scripts()[plan.tests[test].name]);
}

}  // namespace fbx::model

namespace fbx::run::testing {

namespace {

std::string binaries() {
  char self[PATH_MAX] = {};
  REQUIRE(::readlink("/proc/self/exe", self, sizeof self - 1) > 0);
  return (std::filesystem::path(self).parent_path().parent_path() / "examples/partition/dynamic")
      .string();
}

plan::Plan chapter() {
  plan::Plan plan;
  plan.spec = "scripted";
  plan.spec_dir = std::filesystem::temp_directory_path() / "fbx-scripted";
  std::filesystem::create_directories(plan.spec_dir);
  plan::Service inventory{.name = "inventory", .binary = binaries() + "/inventory-svc"};
  inventory.interfaces = {{.name = "main", .protocol = plan::Protocol::kTcp, .port = 5432}};
  inventory.env = {{"PORT", "5432"}, {"WAL_PATH", "/tmp/inventory.wal"}};
  inventory.healthcheck = {.kind = plan::HealthCheck::Kind::kTcp, .target = "localhost:5432"};
  plan::Service orders{.name = "orders", .binary = binaries() + "/order-svc"};
  orders.interfaces = {{.name = "public", .protocol = plan::Protocol::kHttp, .port = 8080}};
  orders.env = {{"PORT", "8080"}, {"INVENTORY_ADDR", "127.0.0.1:5432"}};
  orders.depends_on = {0};
  orders.healthcheck = {.kind = plan::HealthCheck::Kind::kHttp,
                        .target = "http://localhost:8080/health"};
  plan.services = {inventory, orders};
  return plan;
}

Line order(int status) {
  model::HttpStep step{.service = 1, .interface = 0, .method = "POST", .path = "/orders"};
  step.body = R"({"sku":"widget","qty":1})";
  return {step, [status](const model::Response& response) -> std::optional<std::string> {
            const auto& result = std::get<model::StepResult>(response);
            if (result.status == status) return std::nullopt;
            return "status " + std::to_string(result.status) + " " + result.body + result.error;
          }};
}

Line wal(model::LookBack::Kind kind, model::ScopeId scope) {
  model::LookBack look{.kind = kind, .scope = scope};
  look.filter.service = 0;
  look.filter.syscall = "write";
  look.filter.path = "/tmp/inventory.wal";
  look.filter.display = "service=\"inventory\", syscall=\"write\", path=\"/tmp/inventory.wal\"";
  return {look};
}

Line cut() {
  return {model::InstallPartition{
      .scope = 1, .a = {1}, .b = {0}, .label = {}, .display = "partition(orders, inventory)"}};
}

Line fault(uint32_t service, const std::string& keyword, const std::string& errname, int errnum) {
  model::RuleSpec rule{.service = service, .keyword = keyword, .errnum = errnum};
  rule.errname = errname;
  rule.display = keyword + "=deny(\"" + errname + "\")";
  return {model::InstallFaults{.scope = 1, .rules = {rule}}};
}

Line leave() { return {model::LeaveScope{1}}; }

struct Row {
  std::string name;
  std::vector<Line> lines;
  std::vector<plan::Need> needs;
  std::string verdict;
  std::string code = {};  // of the first reason; "" = none
};

plan::Need need(plan::Need::Kind kind, int service, const std::string& syscall) {
  return {.kind = kind, .service = service, .syscall = syscall, .mode = "refuse", .place = {}};
}

std::vector<Row> rows() {
  using Look = model::LookBack::Kind;
  const plan::Need partition = need(plan::Need::Kind::kPartition, -1, "");
  const plan::Need write = need(plan::Need::Kind::kDeny, 0, "write");
  const plan::Need connect = need(plan::Need::Kind::kDeny, 1, "connect");
  return {
      {"test_happy", {order(200), wal(Look::kEventually, 0)}, {}, "pass"},
      {"test_wrong_status", {order(418)}, {}, "fail", "assertion"},
      {"test_partition", {cut(), order(503), wal(Look::kNever, 1), leave(), order(200)},
       {partition}, "pass"},
      {"test_never_fails", {order(200), wal(Look::kNever, 0)}, {}, "fail", "assertion"},
      {"test_partition_unused", {cut(), leave()}, {partition}, "inconclusive", "never-fired"},
      {"test_disk", {fault(0, "write", "EIO", EIO), order(500), leave(), order(200)}, {write},
       "pass"},
      {"test_one_way", {fault(1, "connect", "ECONNREFUSED", ECONNREFUSED), order(503), leave()},
       {connect}, "pass"},
  };
}

}  // namespace

TEST_CASE("scripted bodies end as the verdict table says") {
  plan::Plan plan = chapter();
  const std::vector<Row> table = rows();
  PlanRun run{.plan = plan, .argument = "scripted", .tests = {}};
  for (const Row& row : table) {
    plan::Test test{.name = row.name, .doc = {}, .place = {"script", 1, 1}};
    test.needs = row.needs;
    test.observe = {{.what = "write"}, {.what = "connect"}};
    scripts()[row.name] = row.lines;
    run.tests.push_back(run.plan.tests.size());
    run.plan.tests.push_back(std::move(test));
  }
  const std::string file = plan.spec_dir + "/results.json";
  const int code = run::run({.seed = 7, .json = file, .flags = {}}, {run});
  CHECK(code == 2);
  std::ifstream in(file);
  const nlohmann::json results = nlohmann::json::parse(in, nullptr, false);
  REQUIRE(results.is_object());
  REQUIRE(results["tests"].size() == table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    const nlohmann::json& got = results["tests"][i];
    CAPTURE(table[i].name);
    CAPTURE(got.dump());
    CHECK(got["verdict"] == table[i].verdict);
  }
}

}  // namespace fbx::run::testing
