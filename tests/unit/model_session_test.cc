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
  CHECK(plan.tests[0].observe.size() == 2);
  CHECK(plan.tests[1].needs.size() == 2);  // refuse and drop: it can't be known
}

TEST_CASE("dicts that hold a service which an earlier test holds, too") {
  const auto plan = compiled(R"(
CALLS = ["write"]
OPS = {"persist": op(syscalls=CALLS)}
F = {"service": db, "calls": CALLS}
G = {"service": db}
def test_x():
    assert_eq(F["service"], G["service"])
    assert_eq(F["calls"], ["write"])
)");
  CHECK(FakeRunner{}.play(plan, "test_x").finished.message == "");
  testing::FakeLoader loader;
  loader.files["a.star"] = std::string(kTopology) +
                           "F = {'service': db, 'n': 1}\nG = {'service': db}\n"
                           "def test_x():\n    assert_true(F != G)\n"
                           "def test_y():\n    db.send('x')\n";
  const auto in_memory = model::compile_spec(loader, "a.star");
  REQUIRE(in_memory.plan);
  CHECK(FakeRunner{}.play(*in_memory.plan, "test_x").finished.message == "");
}

TEST_CASE("programs and services are asked for as written") {
  const auto plan = compiled(R"star(
D = service("hand", "bin/hand", start="manual", prepare=[["mk", "${spec_dir}/x"]],
            observe=[observe.stdout(decoder=decoder("json")),
                     observe.stderr(decoder=decoder("regex", pattern="(?P<a>.)"))])
def test_x():
    r = exec(["psql", "-c", "select 1"], stdin="in", env={"A": 1}, user="postgres")
    assert_eq((r.code, r.ok, r.stdout, r.stderr), (3, False, "out", "err"))
    start(D)
    pause(db, run=lambda: kill(db))
    kill(web, "SIGHUP")
    stop(web)
    restart(D)
)star");
  CHECK(plan.services[2].manual_start);
  CHECK(plan.services[2].prepare == std::vector<std::vector<std::string>>{{"mk", "${spec_dir}/x"}});
  REQUIRE(plan.services[2].observe.size() == 2);
  CHECK(plan.services[2].observe[1].pattern == "(?P<a>.)");
  FakeRunner runner;
  model::StepResult ran;
  ran.status = 3;
  ran.body = "out";
  ran.error_output = "err";
  runner.steps = {ran};
  const auto played = runner.play(plan, "test_x");
  CHECK(played.finished.message == "");
  CHECK(played.asked == Asked{"exec psql -c select 1 A=1 as postgres < in", "start hand",
                              "pause 1 db", "kill db SIGKILL", "leave 1", "kill web SIGHUP",
                              "stop web", "restart hand"});
}

TEST_CASE("a connection that is kept is named by its steps") {
  const auto plan = compiled(R"(
def test_x():
    c = db.connect()
    c.send("a")
    assert_true(c.exchange("b", regex="x+").ok)
    db.send("c")
    c.close()
)");
  const auto played = FakeRunner{}.play(plan, "test_x");
  CHECK(played.finished.message == "");
  CHECK(played.asked == Asked{"connect db as 1", "send over 1 a", "exchange over 1 b",
                              "send db c", "close 1"});
}

TEST_CASE("a connection that can't be made raises") {
  const auto plan = compiled(R"(
def test_x():
    db.connect()
)");
  FakeRunner runner;
  model::StepResult refused;
  refused.error = "connection refused";
  runner.steps = {refused};
  const auto played = runner.play(plan, "test_x");
  CHECK(played.finished.how == Finished::How::kFailed);
  CHECK(played.finished.message == "connect(): connection refused");
}

TEST_CASE("eventually tries again what fails, and gives up with the last failure") {
  const auto plan = compiled(R"(
SEEN = [200, 503]
def once():
    r = web.get("/")
    assert_eq(r.status, 200)
    return r.status
def test_comes():
    assert_eq(eventually(once, timeout="1s", every="100ms"), 200)
def test_never():
    eventually(once, timeout="100ms", every="50ms")
def test_mistake():
    eventually(lambda: 1 + "a")
)");
  model::StepResult bad, good;
  bad.status = 503;
  good.status = 200;
  FakeRunner comes;
  comes.steps = {bad, bad, good};
  const auto held = comes.play(plan, "test_comes");
  CHECK(held.finished.message == "");
  CHECK(held.asked == Asked{"tick 0", "GET web/", "tick 100000000", "GET web/", "tick 100000000",
                            "GET web/"});
  FakeRunner never;
  never.steps = {bad, bad, bad, bad};
  const auto failed = never.play(plan, "test_never");
  CHECK(failed.finished.how == Finished::How::kFailed);
  CHECK(failed.finished.actual == "503");
  CHECK(failed.asked.size() == 5);  // at 0, 50 and 100 ms the time is asked; twice it was tried
  CHECK(FakeRunner{}.play(plan, "test_mistake").finished.how == Finished::How::kError);
}

// Events in memory: seq is also the value of every attribute it has.
class FakeEvents final : public model::EventReader {
 public:
  std::optional<model::EventValue> attribute(uint64_t seq, std::string_view name) const override {
    if (name == "n") return static_cast<int64_t>(seq);
    if (name == "fields") return model::JsonText{"{\"a\": [1, 2]}"};
    if (name == "missing") return std::monostate();
    return std::nullopt;
  }
  std::vector<std::string> names(uint64_t) const override { return {"fields", "missing", "n"}; }
  std::string text(uint64_t seq) const override { return "event " + std::to_string(seq); }
};

TEST_CASE("events are read where they are") {
  const auto plan = compiled(R"(
H = service("h", "bin/h", observe=[observe.stdout(decoder=decoder("json"))])
def test_x():
    all = events(service=db, syscall="write")
    assert_eq([e.n for e in all], [2, 5])
    assert_eq(all[0].fields["a"], [1, 2])
    assert_eq(all[0].missing, None)
    assert_ne(all[0], all[1])
    assert_eq(await_event(type="stdout", event="done", n=3, timeout="1s").n, 7)
    assert_count((1, 2), since=all[0], syscall="fsync")
    assert_before(first={"syscall": "fsync"}, then={"syscall": "send"}, each=False)
    await_stable("2s", service=db)
def test_typo():
    events(service=db)[0].nn
)");
  FakeEvents events;
  FakeRunner runner;
  runner.events = &events;
  runner.answers["events service=\"db\", syscall=\"write\""] = model::Events{{2, 5}};
  runner.answers["events service=\"db\""] = model::Events{{2}};
  runner.answers["await type=\"stdout\", event=\"done\", n=3"] = model::Events{{7}};
  const auto played = runner.play(plan, "test_x");
  CHECK(played.finished.message == "");
  CHECK(played.asked.size() == 5);
  CHECK(played.asked[2] == "count 1…2 syscall=\"fsync\", since=event(2, \"event 2\")");
  CHECK(played.asked[3] == "before syscall=\"fsync\" | syscall=\"send\" once");
  CHECK(played.asked[4] == "stable 2000000000 service=\"db\"");
  CHECK(runner.play(plan, "test_typo").finished.message.find("nn") != std::string::npos);
}

TEST_CASE("where= and key= are asked about one event at a time, and can't change anything") {
  const auto plan = compiled(R"(
LIST = []
def odd(e):
    return e.n % 2 == 1
def raises(e):
    return e.n + "x"
def test_x():
    mine = []
    assert_eventually(syscall="write", where=odd)
    assert_eventually(syscall="write", where=lambda e: mine.append(e))
    assert_eventually(syscall="write", where=raises)
)");
  FakeEvents events;
  auto session = model::Session::start(plan, 0, {.events = &events});
  REQUIRE(session);
  const auto filter_of = [&](model::Turn turn) {
    return std::get<model::LookBack>(std::get<model::Request>(turn).effect).filter.where;
  };
  const uint32_t odd = filter_of((*session)->next());
  CHECK((*session)->where(odd, 3).value());
  CHECK_FALSE((*session)->where(odd, 4).value());
  CHECK((*session)->key(odd, 3).value() == "True");
  (*session)->resume(model::Done{});
  const uint32_t changes = filter_of((*session)->next());
  CHECK_FALSE((*session)->where(changes, 1).has_value());
  (*session)->resume(model::Done{});
  const auto ended = (*session)->next();
  CHECK(std::get<Finished>(ended).how == Finished::How::kError);
}

}  // namespace
}  // namespace fbx
