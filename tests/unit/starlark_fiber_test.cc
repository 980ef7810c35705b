// SPDX-License-Identifier: Apache-2.0
//
// Fibers: that every scope is left on every way out, in order, whatever fails meanwhile; budgets;
// several fibers on one heap; pure callbacks. What happens is written to one line of log per case.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "spec/starlark/builtins.h"
#include "spec/starlark/values.h"
#include "spec/starlark/vm.h"

using namespace starlark;

namespace {

struct Ask : Token {
  std::string text;
};

struct World {
  std::string log;
  int alive = 0;  // continuations
  void say(const std::string& word) { log += (log.empty() ? "" : " ") + word; }
};

World& world(Call& c) { return c.host_as<World>(); }

Value ask(Call& c, std::string text) {
  auto token = std::make_unique<Ask>();
  token->text = std::move(text);
  return c.suspend(std::move(token));
}

struct Counted : Continuation {
  explicit Counted(World& world) : world_(world) { ++world_.alive; }
  ~Counted() override { --world_.alive; }
  World& world_;
};

// scope(name, run, exit=None): exit is "fail", "ask" (twice), "ask, fail", or a function.
struct Scope : Counted {
  Scope(World& world, std::string n, Value at_exit) : Counted(world), name(std::move(n)), how(at_exit) {
    arm();
  }
  Value next(Call&, Value got) override { return got; }
  Value exit(Call& c, Value got) override {
    ++turn;
    if (turn == 1) world_.say("-" + name);
    if (how.is_none()) return Value::none();
    if (!is_string(how)) return turn == 1 ? c.call(how) : got;
    const std::string_view way = to_string_view(how);
    if (way.starts_with("ask") && turn <= 2) return ask(c, name + std::to_string(turn));
    if (way.ends_with("fail")) return c.fail(Code::host, "exit of " + name);
    return Value::none();
  }
  std::string name;
  Value how;
  int turn = 0;
};

Value scope(Call& c) {
  static constexpr Param kParams[] = {
      {"name", kString}, {"run", kCallable}, {"exit", kAny, Param::optional}};
  Value a[3];
  if (!c.unpack(kParams, a)) return c.failed();
  std::string name(to_string_view(a[0]));
  world(c).say("+" + name);
  c.push<Scope>(world(c), name, a[2].valid() ? a[2] : Value::none());
  return c.call(a[1]);
}

// catch(run): its result, or the message of its error.
struct Catch : Counted {
  using Counted::Counted;
  Value next(Call&, Value got) override { return got; }
  Value failed(Call& c, const Error& e) override { return c.heap().string("caught:" + e.message); }
};
Value catch_(Call& c) {
  c.push<Catch>(world(c));
  return c.call(c.args()[0]);
}

// retry(run): again and again until it succeeds.
struct Retry : Counted {
  Retry(World& world, Value r) : Counted(world), run(r) {}
  Value next(Call&, Value got) override { return got; }
  Value failed(Call& c, const Error&) override { return world_.say("again"), c.call(run); }
  Value run;
};
Value retry(Call& c) {
  c.push<Retry>(world(c), c.args()[0]);
  return c.call(c.args()[0]);
}

// picky(run): would handle any error of run, but reports one of its own when run succeeds.
struct Picky : Catch {
  using Catch::Catch;
  Value next(Call& c, Value) override { return c.fail(Code::host, "picky"); }
};
Value picky(Call& c) {
  c.push<Picky>(world(c));
  return c.call(c.args()[0]);
}

struct Pure : Counted {
  explicit Pure(World& world) : Counted(world) { set_pure(); }
  Value next(Call&, Value got) override { return got; }
};
Value pure(Call& c) {
  c.push<Pure>(world(c));
  return c.call(c.args()[0]);
}

Value filter(Call& c) {
  auto result = run_pure(c.heap(), c.fiber().env(), c.args()[0], c.args().subspan(1));
  return result ? *result : c.fail(std::move(result.error()));
}

struct Thing : HostObject {
  std::string_view type() const override { return "thing"; }
};
Value thing(Call& c) { return c.heap().make_host<Thing>(); }
Value ask_(Call& c) { return ask(c, str(c.args()[0])); }
Value log_(Call& c) { return world(c).say(str(c.args()[0])), Value::none(); }
Value work(Call& c) {
  return c.charge(static_cast<std::uint64_t>(*to_int64(c.args()[0]))) ? Value::none() : c.failed();
}

constexpr Builtin kScope("scope", scope), kCatch("catch", catch_), kRetry("retry", retry),
    kPicky("picky", picky), kPure("pure", pure), kFilter("filter", filter), kThing("thing", thing),
    kAsk("ask", ask_), kLog("log", log_), kWork("work", work);

// A module of `source` on its own heap.
struct Bench {
  explicit Bench(const std::string& source, std::uint64_t steps = UINT64_MAX,
                 std::size_t memory = Heap::kDefaultBudget)
      : heap(memory) {
    env.host = &world;
    for (const Builtin* b : {&kScope, &kCatch, &kRetry, &kPicky, &kPure, &kFilter, &kThing, &kAsk,
                             &kLog, &kWork}) {
      names.set(b->name(), b->value());
    }
    names.set("struct", struct_builtin());
    Options options;
    options.while_loops = options.recursion = true;
    auto program = Program::from_source("t.star", source, options, names.as_names());
    REQUIRE_MESSAGE(program.has_value(), (program ? "" : program.error()[0].text()));
    auto made = run_module(heap, env, *program, names);
    REQUIRE(made.has_value());
    module = *made;
    env.limits.steps = steps;
  }
  Value fn(std::string_view name = "main") const { return module->global(name); }

  World world;
  Heap heap;
  Environment env;
  Predeclared names;
  Module* module = nullptr;
};

std::string ending(const Fiber& f) {
  if (f.state() == Fiber::State::done) return "=" + str(f.result());
  std::string out = "!" + f.error().message;
  for (const std::string& also : f.error().also) out += " also:" + also.substr(also.find(": ") + 2);
  return out;
}

Error error(Code code, std::string message) {
  Error e;
  e.code = code;
  e.message = std::move(message);
  return e;
}

// Each letter answers what is asked: a (answer), e (error), c (cancel, which may leave the question
// standing). When none is left, an answer.
std::string play(Bench& b, std::string_view host) {
  Fiber f(b.heap, b.env);
  f.start(b.fn());
  Fiber::State state = f.resume();
  std::size_t at = 0;
  for (int turns = 0; state == Fiber::State::suspended && turns < 100; ++turns) {
    const char what = at < host.size() ? host[at++] : 'a';
    b.world.say("?" + static_cast<Ask*>(f.token())->text);
    if (what == 'a') state = f.resume(b.heap.string("yes"));
    if (what == 'e') state = f.resume_error(error(Code::host, "no"));
    if (what == 'c') {
      b.world.say("cancel");
      state = f.cancel(error(Code::cancelled, "cancelled"));
    }
  }
  CHECK_FALSE(f.unwinding());
  CHECK(b.world.alive == 0);
  b.world.say(ending(f));
  return b.world.log;
}

}  // namespace

TEST_CASE("scopes are left on every way out, innermost first") {
  struct Row {
    const char* what;
    const char* main;  // an expression
    const char* host;
    const char* log;
  };
  const Row rows[] = {
      {"a result", "scope('x', lambda: 1)", "", "+x -x =1"},
      {"an answer", "scope('x', lambda: ask('q'))", "a", "+x ?q -x =yes"},
      {"nested, a result", "scope('x', lambda: scope('y', lambda: 2))", "", "+x +y -y -x =2"},
      {"an error", "scope('x', lambda: fail('bad'))", "", "+x -x !fail: bad"},
      {"nested, an error", "scope('x', lambda: scope('y', lambda: 1 // 0))", "",
       "+x +y -y -x !floored division by zero"},
      {"a refused answer", "scope('x', lambda: scope('y', lambda: ask('q')))", "e",
       "+x +y ?q -y -x !no"},
      {"cancelled", "scope('x', lambda: scope('y', lambda: ask('q')))", "c",
       "+x +y ?q cancel -y -x !cancelled"},
      {"nothing to leave", "ask('q')", "c", "?q cancel !cancelled"},
      {"not callable with what it gets", "scope('x', lambda a: 1)", "",
       "+x -x !function lambda missing 1 argument (a)"},

      {"exit asks, a result", "scope('x', lambda: 1, 'ask')", "aa", "+x -x ?x1 ?x2 =1"},
      {"exit asks, an error", "scope('x', lambda: fail('bad'), 'ask')", "aa",
       "+x -x ?x1 ?x2 !fail: bad"},
      {"exits ask, cancelled",
       "scope('x', lambda: scope('y', lambda: ask('q'), 'ask'), 'ask')", "c",
       "+x +y ?q cancel -y ?y1 ?y2 -x ?x1 ?x2 !cancelled"},
      {"cancelled twice", "scope('x', lambda: ask('q'), 'ask')", "ccac",
       "+x ?q cancel -x ?x1 cancel ?x1 ?x2 cancel ?x2 !cancelled"},
      {"exit is refused, a result", "scope('x', lambda: 1, 'ask')", "e", "+x -x ?x1 !no"},
      {"exit is refused, an error", "scope('x', lambda: fail('bad'), 'ask')", "ae",
       "+x -x ?x1 ?x2 !fail: bad also:no"},
      {"exit is refused, cancelled",
       "scope('x', lambda: scope('y', lambda: ask('q'), 'ask'), 'ask')", "ceaae",
       "+x +y ?q cancel -y ?y1 -x ?x1 ?x2 !cancelled also:no"},

      {"exit fails, a result", "scope('x', lambda: 1, 'fail')", "", "+x -x !exit of x"},
      {"exits fail, a result", "scope('x', lambda: scope('y', lambda: 1, 'fail'), 'fail')", "",
       "+x +y -y -x !exit of y also:exit of x"},
      {"exits fail, an error", "scope('x', lambda: scope('y', lambda: fail('bad'), 'fail'), 'fail')",
       "", "+x +y -y -x !fail: bad also:exit of y also:exit of x"},
      {"exits fail, cancelled",
       "scope('x', lambda: scope('y', lambda: ask('q'), 'fail'), 'ask, fail')", "c",
       "+x +y ?q cancel -y -x ?x1 ?x2 !cancelled also:exit of y also:exit of x"},

      {"exit calls a function", "scope('x', lambda: 1, lambda: log('bye'))", "", "+x -x bye =1"},
      {"exit calls a function that asks, cancelled", "scope('x', lambda: ask('q'), lambda: ask('r'))",
       "c", "+x ?q cancel -x ?r !cancelled"},
      {"exit calls a function that fails", "scope('x', lambda: fail('bad'), lambda: fail('worse'))", "",
       "+x -x !fail: bad also:fail: worse"},
      {"exit has scopes of its own, which fail",
       "scope('x', lambda: fail('bad'), lambda: scope('y', lambda: fail('worse'), 'fail'))", "",
       "+x -x +y -y !fail: bad also:fail: worse also:exit of y"},
      {"exit handles its own error, a result", "scope('x', lambda: 1, lambda: log(catch(lambda: [][0])))",
       "", "+x -x caught:list index 0 out of range: empty list =1"},
      {"exit handles its own error, cancelled",
       "scope('x', lambda: ask('q'), lambda: log(catch(lambda: ask('r'))))", "ce",
       "+x ?q cancel -x ?r caught:no !cancelled"},

      {"handled", "catch(lambda: scope('x', lambda: fail('bad')))", "", "+x -x =caught:fail: bad"},
      {"handled after an exit that asks", "catch(lambda: scope('x', lambda: fail('bad'), 'ask'))", "",
       "+x -x ?x1 ?x2 =caught:fail: bad"},
      {"handled after an exit that fails", "catch(lambda: scope('x', lambda: 1, 'fail'))", "",
       "+x -x =caught:exit of x"},
      {"tried again", "retry(lambda: scope('x', lambda: ask('q')))", "eea",
       "+x ?q -x again +x ?q -x again +x ?q -x =yes"},
      {"cancellation is not handled", "catch(lambda: retry(lambda: scope('x', lambda: ask('q'))))", "ec",
       "+x ?q -x again +x ?q cancel -x !cancelled"},
      {"an own error is not handled", "scope('x', lambda: picky(lambda: 1))", "", "+x -x !picky"},
      {"an own error is handled further out", "catch(lambda: picky(lambda: 1))", "", "=caught:picky"},

      {"cancelled while exit of a result runs", "scope('x', lambda: scope('y', lambda: 1, 'ask'))", "c",
       "+x +y -y ?y1 cancel ?y1 ?y2 -x !cancelled"},
      {"cancelled while exit of a result runs, which then fails",
       "catch(lambda: scope('y', lambda: 1, 'ask, fail'))", "c",
       "+y -y ?y1 cancel ?y1 ?y2 !exit of y also:cancelled"},
      {"cancelled while exit of an error runs",
       "catch(lambda: scope('x', lambda: scope('y', lambda: fail('bad'), 'ask')))", "c",
       "+x +y -y ?y1 cancel ?y1 ?y2 -x !fail: bad also:cancelled"},
      {"cancelled while exit of the outermost error runs", "scope('y', lambda: fail('bad'), 'ask')", "c",
       "+y -y ?y1 cancel ?y1 ?y2 !fail: bad also:cancelled"},
      {"cancelled while exit of an error that is tried again runs",
       "retry(lambda: scope('y', lambda: fail('bad'), 'ask'))", "aac",
       "+y -y ?y1 ?y2 again +y -y ?y1 cancel ?y1 ?y2 !fail: bad also:cancelled"},
      {"cancelled while a scope inside an exit runs",
       "scope('x', lambda: 1, lambda: scope('y', lambda: ask('q')))", "c",
       "+x -x +y ?q cancel ?q -y !cancelled"},
      {"an effect in a pure callback", "scope('x', lambda: pure(lambda: scope('y', lambda: ask('q'))))",
       "", "+x +y -y -x !ask: an effect is not allowed here (in a callback, or while the file is loaded)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Bench b(std::string("def main():\n    return ") + row.main + "\n");
    CHECK(play(b, row.host) == std::string(row.log));
  }
}

TEST_CASE("where a fiber cannot be cancelled") {
  Bench b("def main():\n    return scope('x', lambda: ask('q'))\n");
  const Error why = error(Code::cancelled, "cancelled");
  Fiber f(b.heap, b.env);
  f.start(b.fn());
  CHECK(f.cancel(why) == Fiber::State::failed);  // ready: nothing has run
  CHECK(b.world.log.empty());
  CHECK(f.resume() == Fiber::State::failed);
  f.start(b.fn());
  CHECK(f.resume() == Fiber::State::suspended);
  CHECK(f.stack().size() == 3);
  CHECK(f.place().text() == "t.star:2:31");
  CHECK(f.resume(Value::none()) == Fiber::State::done);
  CHECK(f.cancel(why) == Fiber::State::done);
  CHECK(f.resume_error(why) == Fiber::State::done);
  CHECK(b.world.log == "+x -x");
}

TEST_CASE("a cancelled error tells where the fiber was, and the fiber can be used again") {
  Bench b("def inner():\n    ask('q')\ndef main():\n    for i in [1, 2]:\n        scope('x', inner)\n");
  Fiber f(b.heap, b.env);
  for (int again = 0; again < 3; ++again) {
    f.start(b.fn());
    REQUIRE(f.resume() == Fiber::State::suspended);
    CHECK(f.cancel(error(Code::cancelled, "late")) == Fiber::State::failed);
    CHECK(f.error().code == Code::cancelled);
    CHECK(f.error().place().text() == "t.star:2:5");
    CHECK_FALSE(f.unwinding());
    CHECK(f.token() == nullptr);
  }
  f.start(b.fn());
  REQUIRE(f.resume() == Fiber::State::suspended);
  REQUIRE(f.resume(Value::none()) == Fiber::State::suspended);
  CHECK(f.resume(Value::none()) == Fiber::State::done);
}

TEST_CASE("a fiber that is dropped runs no exit actions, and frees what it held") {
  Bench b("def main():\n    for i in [1]:\n        scope('x', lambda: scope('y', lambda: ask('q')))\n");
  {
    Fiber f(b.heap, b.env);
    f.start(b.fn());
    CHECK(f.resume() == Fiber::State::suspended);
    CHECK(b.world.alive == 2);
  }
  CHECK(b.world.alive == 0);
  CHECK(b.world.log == "+x +y");
}

TEST_CASE("interrupt ends any loop, from another thread") {
  const char* loops[] = {
      "while True:\n            pass",
      "for i in range(1000000000):\n            pass",
      "while True:\n            work(1022)",  // with call and back edge: a round number of steps
      "while True:\n            work(1021)",
      "while True:\n            sorted([1], key = lambda x: x)",
      "retry(lambda: fail('bad'))",
      "catch(lambda: [x for x in range(1000000000) if x < 0])",
  };
  for (const char* loop : loops) {
    CAPTURE(loop);
    Bench b(std::string("def main():\n    def run():\n        ") + loop +
            "\n    scope('x', run, lambda: [i for i in range(5000)])\n");
    Fiber f(b.heap, b.env);
    f.start(b.fn());
    std::thread other([&] { f.interrupt(); });
    const Fiber::State state = f.resume();
    other.join();
    CHECK(state == Fiber::State::failed);
    CHECK(f.error().code == Code::cancelled);
    CHECK(f.error().also.empty());
    CHECK(b.world.log.starts_with("+x"));
    CHECK(b.world.log.ends_with("-x"));
  }
}

TEST_CASE("an interruption waits for exit actions") {
  Bench b("def main():\n    scope('x', lambda: 1, lambda: [ask('q')] + [i for i in range(5000)])\n"
          "    for i in range(5000):\n        pass\n");
  Fiber f(b.heap, b.env);
  f.start(b.fn());
  REQUIRE(f.resume() == Fiber::State::suspended);
  f.interrupt();
  CHECK(f.resume(Value::none()) == Fiber::State::failed);
  CHECK(f.error().code == Code::cancelled);
  CHECK(f.error().place().line >= 3);
}

TEST_CASE("the step budget ends everything, and leaves some for exit actions") {
  struct Row {
    const char* run;
    const char* exit;
    std::size_t also;
    const char* log;
  };
  const Row rows[] = {
      {"while True:\n            pass", "lambda: [i for i in range(1000)] and log('bye')", 0, "+x -x bye"},
      {"for i in range(1000000000):\n            pass", "None", 0, "+x -x"},
      {"work(1000000000000)", "lambda: log('bye')", 0, "+x -x bye"},
      {"for i in range(100):\n            work(1 << 62)", "'fail'", 1, "+x -x"},
      {"catch(lambda: [i for i in range(100000000)])", "None", 0, "+x -x"},
      {"while True:\n            catch(lambda: work(1 << 40))", "None", 0, "+x -x"},
      {"retry(lambda: [i for i in range(100000000)])", "None", 0, "+x -x"},
      {"while True:\n            pass", "lambda: [i for i in range(100000000)]", 1, "+x -x"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.run);
    Bench b(std::string("def main():\n    def run():\n        ") + row.run +
                "\n    scope('x', run, " + row.exit + ")\n",
            10'000);
    Fiber f(b.heap, b.env);
    f.start(b.fn());
    CHECK(f.resume() == Fiber::State::failed);
    CHECK(f.error().code == Code::steps);
    CHECK(f.error().also.size() == row.also);
    CHECK(f.steps() >= 10'000);
    CHECK(b.world.log == row.log);
    CHECK(b.world.alive == 0);
  }
}

TEST_CASE("steps are counted, and a new limit counts those used") {
  Bench b("def main():\n    for i in range(1000):\n        pass\n");
  Fiber f(b.heap, b.env);
  f.start(b.fn());
  CHECK(f.resume() == Fiber::State::done);
  const std::uint64_t once = f.steps();
  CHECK(once >= 1000);
  CHECK(once < 1100);
  f.set_steps(once + 500);
  CHECK(f.steps() == once);
  f.start(b.fn());
  CHECK(f.resume() == Fiber::State::failed);
  CHECK(f.error().code == Code::steps);
}

TEST_CASE("the memory budget ends everything; scopes are left all the same") {
  const char* hogs[] = {
      "xs = []\n        while True:\n            xs.append([1, 2, 3])",
      "s = 'x'\n        while True:\n            s += s",
      "d = {}\n        for i in range(100000000):\n            d[i] = str(i)",
      "n = 2\n        while True:\n            n *= n",
      "[[0] * 1000 for i in range(1000000)]",
      "xs = 'ab' * 1000000000",
  };
  for (const char* hog : hogs) {
    CAPTURE(hog);
    Bench b(std::string("def main():\n    def run():\n        ") + hog +
                "\n    scope('x', lambda: scope('y', run), 'ask')\n",
            UINT64_MAX, std::size_t{8} << 20);
    Fiber f(b.heap, b.env);
    f.start(b.fn());
    REQUIRE(f.resume() == Fiber::State::suspended);
    CHECK(b.world.log == "+x +y -y -x");
    REQUIRE(f.resume(Value::none()) == Fiber::State::suspended);
    REQUIRE(f.resume(Value::none()) == Fiber::State::failed);
    CAPTURE(f.error().text());
    CHECK((f.error().code == Code::memory || f.error().code == Code::overflow));
    CHECK(b.heap.used() < (std::size_t{24} << 20));
  }
}

// Each builds a list or tuple that the budget does not hold, in its last step.
TEST_CASE("a result beyond the memory budget is an error, not a smaller one") {
  for (const char* last : {"reversed(xs)", "list(xs)", "tuple(xs)", "sorted(xs)", "xs + xs", "xs[:]",
                           "tuple(enumerate(xs))", "zip(xs)", "[x for x in xs]",
                           "{1: xs}.values() + xs", "xs * 2"}) {
    CAPTURE(std::string(last));
    Bench b(std::string("def main():\n    xs = [0] * 600000\n    return len(") + last +
                ")\n",
            UINT64_MAX, std::size_t{12} << 20);
    Fiber f(b.heap, b.env);
    f.start(b.fn());
    REQUIRE(f.resume() == Fiber::State::failed);
    CHECK(f.error().code == Code::memory);
  }
}

TEST_CASE("calls nested too deeply leave their scopes") {
  Bench b("def f(n):\n    return scope('x', lambda: f(n + 1))\ndef main():\n    return f(0)\n");
  b.env.limits.depth = 50;
  Fiber f(b.heap, b.env);
  f.start(b.fn());
  CHECK(f.resume() == Fiber::State::failed);
  CHECK(f.error().code == Code::depth);
  std::size_t in = 0, out = 0;
  for (char ch : b.world.log) (ch == '+' ? in : out) += ch == '+' || ch == '-';
  CHECK(in > 10);
  CHECK(in == out);
}

TEST_CASE("fibers on one heap take turns") {
  Bench b(R"(
def main(xs, name):
    def run():
        for x in xs:
            log(name + str(x) + ask('q'))
        return name
    return scope(name, run)
def push(xs):
    xs.append(9)
)");
  const Value xs = b.heap.list(std::vector{Value::small_int(1), Value::small_int(2)});
  Fiber one(b.heap, b.env), two(b.heap, b.env), three(b.heap, b.env);
  one.start(b.fn(), std::vector{xs, b.heap.string("a")});
  two.start(b.fn(), std::vector{xs, b.heap.string("b")});
  REQUIRE(one.resume() == Fiber::State::suspended);
  REQUIRE(two.resume() == Fiber::State::suspended);
  one.resume(b.heap.string("!"));
  two.resume(b.heap.string("?"));
  // Both iterate the list; each way out gives it free.
  three.start(b.fn("push"), std::vector{xs});
  CHECK(three.resume() == Fiber::State::failed);
  CHECK(three.error().code == Code::iterating);
  CHECK(one.cancel(error(Code::cancelled, "late")) == Fiber::State::failed);
  three.start(b.fn("push"), std::vector{xs});
  CHECK(three.resume() == Fiber::State::failed);
  CHECK(two.resume(b.heap.string(";")) == Fiber::State::done);
  CHECK(str(two.result()) == "b");
  three.start(b.fn("push"), std::vector{xs});
  CHECK(three.resume() == Fiber::State::done);
  CHECK(str(xs) == "[1, 2, 9]");
  CHECK(b.world.log == "+a +b a1! b1? -a b2; -b");
}

TEST_CASE("a pure callback: its result is copied out, nothing else stays") {
  struct Row {
    const char* call;
    const char* result;  // or "!" and its error
  };
  const Row rows[] = {
      {"filter(lambda: 1)", "1"},
      {"filter(lambda: None)", "None"},
      {"filter(lambda: [1, 'a' * 100, (2.5e300, {'k': [b'x']}), 1 << 100])[2]",
       "(2.5e+300, {\"k\": [b\"x\"]})"},
      {"filter(lambda: struct(a = [1], b = range(3)))", "struct(a = [1], b = range(3))"},
      {"filter(lambda x: [x, x], OUT)", "[[1, 2, 3], [1, 2, 3]]"},
      {"filter(lambda: (lambda y: lambda: y + [3])([4]))()", "[4, 3]"},
      {"filter(lambda: ' a b '.split)()", "[\"a\", \"b\"]"},
      {"filter(lambda: sorted(list('cab'.elems())))", "[\"a\", \"b\", \"c\"]"},
      {"filter(lambda: filter(lambda: [1]))", "[1]"},
      {"[filter(shared, 40)][0].a.a.a.a == None", "False"},
      {"len(filter(cycle))", "1"},
      {"filter(lambda: OUT.append(3))", "!append: cannot append to frozen list"},
      {"filter(lambda: [x for x in OUT])", "[1, 2]"},
      {"filter(lambda: ask('q'))",
       "!ask: an effect is not allowed here (in a callback, or while the file is loaded)"},
      {"filter(lambda: fail('bad'))", "!fail: bad"},
      {"filter(lambda: scope('y', lambda: [7]))", "[7]"},
      {"filter(lambda: [thing()])",
       "!the result cannot be kept: it is nested too deeply, too large, or holds an object made in "
       "the callback"},
      {"filter(deep)",
       "!the result cannot be kept: it is nested too deeply, too large, or holds an object made in "
       "the callback"},
      {"filter(lambda: [0] * 100000000)", "!out of memory"},
      {"filter(hog)", "!out of memory: the memory budget is used up"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.call);
    Bench b(std::string(R"(
def shared(n):
    s = struct(a = 1, b = 2)
    for i in range(n):
        s = struct(a = s, b = s)
    return s
def cycle():
    xs = []
    xs.append(xs)
    return xs
def deep():
    xs = []
    for i in range(2000):
        xs = [xs]
    return xs
def hog():
    xs = []
    while True:
        xs.append([1])
def main():
    OUT = [1]
    OUT.append(2)
    result = )") + row.call + "\n    OUT.append(3)\n    return result\n",
            UINT64_MAX, std::size_t{32} << 20);
    Fiber f(b.heap, b.env);
    f.start(b.fn());
    f.resume();
    if (row.result[0] == '!') {
      CHECK(ending(f).starts_with(row.result));
    } else {
      REQUIRE_MESSAGE(f.state() == Fiber::State::done, f.error().text());
      CHECK(repr(f.result()) == std::string(row.result));
    }
  }
}

TEST_CASE("pure callbacks leave no memory behind") {
  Bench b("def main(xs):\n    return filter(lambda: len([[x] * 100 for x in range(1000)]))\n");
  const Value xs = b.heap.list();
  std::size_t before = 0;
  for (int i = 0; i < 200; ++i) {
    auto result = run_pure(b.heap, b.env, b.fn(), std::vector{xs});
    REQUIRE(result.has_value());
    if (i == 0) before = b.heap.used();
  }
  CHECK(b.heap.used() == before);
  CHECK(b.heap.append(xs, Value::none()) == Refused::no);
}
