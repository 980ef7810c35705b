// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "spec/model/load.h"
#include "spec/plan/write.h"
#include "tests/unit/fake_runner.h"

namespace fbx {
namespace {

using model::Finished;
using testing::FakeLoader;
using testing::FakeRunner;

constexpr const char* kTopology = R"(
db = service("db", "bin/db", interface("main", "tcp", 5432))
web = service("web", "bin/web", interface("public", "http", 8080), depends_on=[db])
)";

// Compiles, and reads back what was written: both plans must be the same bytes.
plan::Plan compiled(const std::string& body) {
  FakeLoader loader;
  loader.files["a.star"] = kTopology + body;
  auto out = model::compile_spec(loader, "a.star");
  for (const auto& d : out.diagnostics) MESSAGE(d.text());
  REQUIRE(out.plan);
  const std::string text = plan::write_plan(*out.plan);
  Diagnostics diagnostics;
  auto read = model::load_plan(text, "a.toml", diagnostics);
  for (const auto& d : diagnostics) MESSAGE(d.text());
  REQUIRE_MESSAGE(read, text);
  CHECK(plan::write_plan(*read) == text);
  return std::move(*read);
}

using Asked = std::vector<std::string>;

TEST_CASE("a scope is installed, run and left, and gives what its function returned") {
  const auto plan = compiled(R"(
def test_x():
    def f():
        return web.get("/a")
    resp = fault(db, write=deny("EIO", path="/d/*.wal"), run=f)
    assert_eq(resp.status, 200)
)");
  const auto played = FakeRunner{}.play(plan, "test_x");
  CHECK(played.asked == Asked{"faults 1 db write=deny(\"EIO\", path=\"/d/*.wal\")", "GET web/a",
                              "leave 1"});
  CHECK(played.finished.how == Finished::How::kReturned);
  CHECK(played.finished.asserted == 1);
}

TEST_CASE("nested scopes are left innermost first when an assertion fails") {
  const auto plan = compiled(R"(
def test_x():
    def inner():
        assert_eq(1, 2, "sums")
    def outer():
        fault(db, fsync=deny("EIO"), run=inner)
    partition(web, db, run=outer)
)");
  const auto played = FakeRunner{}.play(plan, "test_x");
  CHECK(played.asked == Asked{"partition 1 partition(web, db)", "faults 2 db fsync=deny(\"EIO\")",
                              "leave 2", "leave 1"});
  CHECK(played.finished.how == Finished::How::kFailed);
  CHECK(played.finished.actual == "1");
  CHECK(played.finished.expected == "2");
}

TEST_CASE("cancelling leaves every open scope") {
  const auto plan = compiled(R"(
def test_x():
    def inner():
        web.get("/slow")
    partition(web, db, run=inner)
)");
  FakeRunner runner;
  runner.cancel_at = "GET web/slow";
  const auto played = runner.play(plan, "test_x");
  CHECK(played.asked == Asked{"partition 1 partition(web, db)", "GET web/slow", "leave 1"});
  CHECK(played.finished.how == Finished::How::kCancelled);
  CHECK(played.finished.message == "time is over");
}

TEST_CASE("cancelling while a scope is left leaves it all the same, then the others") {
  const auto plan = compiled(R"(
def test_x():
    def inner():
        fault(db, fsync=deny("EIO"), run=lambda: None)
    partition(web, db, run=inner)
)");
  FakeRunner runner;
  runner.cancel_at = "leave 2";
  const auto played = runner.play(plan, "test_x");
  CHECK(played.asked == Asked{"partition 1 partition(web, db)", "faults 2 db fsync=deny(\"EIO\")",
                              "leave 2", "leave 2", "leave 1"});
  CHECK(played.finished.how == Finished::How::kCancelled);
}

TEST_CASE("a look-back carries the scope it stands in, and fails the test when it does not hold") {
  const auto plan = compiled(R"(
def test_x():
    def inner():
        assert_never(service="db", syscall="write", path="/wal")
    partition(web, db, run=inner)
    assert_eventually(service=db, syscall="fsync")
)");
  FakeRunner runner;
  runner.answers["eventually 0 service=\"db\", syscall=\"fsync\""] = model::Fail{"none came"};
  const auto played = runner.play(plan, "test_x");
  CHECK(played.asked ==
        Asked{"partition 1 partition(web, db)",
              "never 1 service=\"db\", syscall=\"write\", path=\"/wal\"", "leave 1",
              "eventually 0 service=\"db\", syscall=\"fsync\""});
  CHECK(played.finished.how == Finished::How::kFailed);
  CHECK(played.finished.message == "none came");
}

TEST_CASE("a cell runs its scenario under the assumption, then the expectation") {
  const auto plan = compiled(R"(
def order():
    return web.post("/orders")
down = fault_assumption("down", target=web, connect=deny("ECONNREFUSED"))
fault_matrix(scenarios=[order], faults=[down], default_expect=expect_error(status=503))
)");
  REQUIRE(plan.tests.size() == 2);
  CHECK(plan.tests[0].kind == plan::TestKind::kBaseline);
  CHECK(plan.tests[1].baseline == 0);
  FakeRunner runner;
  model::StepResult refused;
  refused.status = 503;
  runner.steps = {refused};
  const auto held = runner.play(plan, "test_matrix_order_down");
  CHECK(held.asked == Asked{"faults 1 web connect=deny(\"ECONNREFUSED\")", "POST web/orders", "leave 1"});
  CHECK(held.finished.how == Finished::How::kReturned);
  CHECK(held.finished.asserted == 1);
  CHECK(FakeRunner{}.play(plan, "test_matrix_order_down").finished.how == Finished::How::kFailed);
}

TEST_CASE("a mistake of the spec is an error, not a failure") {
  const auto plan = compiled("def test_x():\n    web.get('/').nope\n");
  CHECK(FakeRunner{}.play(plan, "test_x").finished.how == Finished::How::kError);
}

TEST_CASE("what was not started can't be stopped") {
  const auto plan = compiled("def test_x():\n    partition_stop(db, web)\n"
                             "def test_y():\n    fault_stop(db)\n");
  for (const char* test : {"test_x", "test_y"}) {
    const auto played = FakeRunner{}.play(plan, test);
    CHECK(played.asked.empty());
    CHECK(played.finished.how == Finished::How::kError);
    CHECK(played.finished.message.find("was started") != std::string::npos);
  }
}

TEST_CASE("a body that prints without end keeps little, and ends when it is cancelled") {
  const auto plan = compiled("def test_x():\n"
                             "    for i in range(100000):\n        print('x' * 1000)\n"
                             "    web.get('/')\n");
  FakeRunner runner;
  const auto played = runner.play(plan, "test_x");
  CHECK(played.finished.how == Finished::How::kReturned);
  CHECK(played.asked.size() < 5000);
  CHECK(played.asked[played.asked.size() - 2].find("left out") != std::string::npos);
  runner.cancel_at = played.asked.front();
  const auto cancelled = runner.play(plan, "test_x");
  CHECK(cancelled.asked.size() == 1);
  CHECK(cancelled.finished.how == Finished::How::kCancelled);
}

TEST_CASE("closures, cycles, defaults and bound methods come back from a plan") {
  const auto plan = compiled(R"(
def make(n):
    def check(get=web.get):
        assert_eq(get(LOOP[0]).status, n)
    return check
LOOP = ["/loop"]
LOOP.append(LOOP)
HANDLERS = {"a": make(200), "b": lambda: assert_eq(LOOP[1][0], "/loop")}
def test_x():
    HANDLERS["a"]()
    HANDLERS["b"]()
)");
  const auto played = FakeRunner{}.play(plan, "test_x");
  CHECK(played.asked == Asked{"GET web/loop"});
  CHECK(played.finished.message == "");
  CHECK(played.finished.asserted == 2);
}

TEST_CASE("what a test needs is found in every function that it can reach") {
  const auto plan = compiled(R"(
def cut(how):
    how(web, db, run=lambda: None)
def test_known():
    fault(web, connect=deny("ECONNREFUSED"), send=delay("1s"), run=lambda: None)
def test_passed_on():
    cut(partition)
)");
  REQUIRE(plan.tests[0].needs.size() == 2);
  CHECK(plan.tests[0].needs[0].syscall == "connect");
  CHECK(plan.tests[0].observe == Asked{"connect", "send"});
  CHECK(plan.tests[1].needs.size() == 2);  // refuse and drop: it can't be known
}

}  // namespace
}  // namespace fbx
