// SPDX-License-Identifier: Apache-2.0
//
// What a test must be able to see and to enforce, by analysis of what it can reach: a table of
// bodies, each of one line. Through a plan's text and back.
#include <doctest/doctest.h>

#include "spec/model/load.h"
#include "spec/plan/need_text.h"
#include "spec/plan/write.h"
#include "tests/unit/fake_runner.h"

namespace fbx {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kTopology = R"(
db = service("db", "bin/db", interface("main", "tcp", 5432),
    ops={"persist": op(syscalls=["write", "fsync"], path="/data/**")},
    observe=[observe.stdout(decoder=decoder("json"))])
web = service("web", "bin/web", interface("public", "http", 8080), depends_on=[db])
NAME = "db"
def param():
    return struct()
)";

plan::Plan compiled(const std::string& body) {
  testing::FakeLoader loader;
  loader.files["a.star"] = kTopology + body;
  auto out = model::compile_spec(loader, "a.star");
  for (const auto& d : out.diagnostics) MESSAGE(d.text());
  REQUIRE(out.plan);
  return std::move(*out.plan);
}

plan::Plan read_back(const plan::Plan& plan) {
  Diagnostics diagnostics;
  auto read = model::load_plan(plan::write_plan(plan), "a.toml", diagnostics);
  for (const auto& d : diagnostics) MESSAGE(d.text());
  REQUIRE(read);
  return std::move(*read);
}

std::string joined(const Words& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " | ") + word;
  return out;
}

std::string needed(const plan::Plan& plan) {
  Words out;
  for (const auto& one : plan.tests[0].observe) out.push_back(interest_text(plan, one));
  for (const auto& one : plan.tests[0].needs) out.push_back("!" + need_text(plan, one));
  return joined(out);
}

struct NeedRow {
  const char* line;
  Words needs;  // to see; behind "!" to enforce
};

TEST_CASE("what a test must see and enforce: whose calls, which, and by which keys") {
  const NeedRow rows[] = {
      {"assert_never(syscall='write')", {"write"}},
      {"assert_never(service=db, syscall='write')", {"db.write"}},
      {"assert_never(service='db', syscall='sendto')", {"db.send"}},
      {"assert_never(service=NAME, syscall='write')", {"db.write"}},
      {"assert_never(service=param(), syscall='write')", {"write"}},
      {"assert_never(service=db, syscall=param())", {"db.*"}},
      {"assert_never(syscall='=write', ok=False)", {"=write ok=False"}},
      {"assert_never(syscall='write', ok=None)", {"write"}},
      {"assert_never(syscall='write', path='/data/**')", {"write path=/data/**"}},
      {"assert_never(syscall='write', path='/a b/\\'')", {"write path=\"/a b/'\""}},
      {"assert_never(syscall='write', path='True')", {"write path=\"True\""}},
      {"assert_never(syscall='write', path=param())", {"write"}},
      {"assert_never(path='*.wal')", {"* path=*.wal"}},
      {"assert_never(syscall='write', where=lambda e: False)", {"write"}},
      {"assert_never(syscall='write', on='file', fd=3)", {"write on=file fd=3"}},
      {"assert_never(syscall='write', errno='EIO', decision='deny*')",
       {"write errno=EIO decision=deny*"}},
      {"assert_never(syscall='write', label='l', pid=7, exe='db')",
       {"write label=l pid=7 exe=db"}},
      {"assert_never(syscall='connect', peer=db)", {"connect peer=db"}},
      {"assert_never(syscall='connect', peer='10.0.0.1:80')", {"connect peer=\"10.0.0.1:80\""}},
      {"assert_never(op='persist')", {"db.fsync path=/data/**", "db.write path=/data/**"}},
      {"assert_never(op='persist', path='/data/a')",
       {"db.fsync path=/data/a", "db.write path=/data/a"}},
      {"assert_never(op='persist', syscall='write')", {"write op=persist"}},
      {"assert_never(op=param())", {"*"}},
      {"assert_never(type='stdout', data='x')", {"stdout data=x"}},
      {"assert_never(type='lifecycle', service=db, what='exited', code=1)",
       {"db.lifecycle what=exited code=1"}},
      {"assert_never(type=param(), service=db)", {"db.*"}},
      {"assert_never(**param())", {"*"}},
      {"assert_eventually(syscall='fsync')", {"fsync"}},
      {"assert_count(1, service=db, syscall='fsync')", {"db.fsync"}},
      {"events(service=db, syscall='fsync')", {"db.fsync"}},
      {"await_event(service=db, syscall='fsync')", {"db.fsync"}},
      {"await_stable(service=db, syscall='fsync')", {"db.fsync"}},
      {"assert_before(first={'service': db, 'syscall': 'fsync'}, then={'syscall': 'send'})",
       {"send", "db.fsync"}},
      {"assert_before(first={'service': db, 'path': param()}, then={'syscall': 'send'})",
       {"send", "db.*"}},
      {"assert_before(first={param(): db, 'syscall': 'fsync'}, then={'syscall': 'send'})", {"*"}},
      {"assert_before(first={'syscall': 'fsync' if param() else 'write'}, then={'op': 'persist'})",
       {"*"}},
      {"assert_before(first=param(), then={'syscall': 'send'})", {"*"}},
      {"trace(db, syscalls=['write', 'fsync'])", {"db.fsync", "db.write"}},
      {"trace_start(db)", {"db.*"}},
      {"partition(web, db, run=param)", {"connect", "!partition"}},
      // A part of another is left out.
      {"[events(syscall='write'), events(service=db, syscall='write', path='/a')]", {"write"}},
      {"[events(service=db, syscall='write'), events(service=web, syscall='write')]",
       {"db.write", "web.write"}},
      {"[events(service=db, path='/a'), events(service=db, syscall='write', path='/a', ok=True)]",
       {"db.* path=/a"}},
      {"[events(syscall=param()), events(type='stdout')]", {"*", "stdout"}},
      // A rule is looked for, too.
      {"fault(db, write=deny('EIO', path='/data/*'), run=param)",
       {"db.write path=/data/*", "!deny db.write path=/data/*"}},
      {"fault(web, connect=deny('EIO', to=db, on='any'), run=param)",
       {"web.connect on=any peer=db", "!deny web.connect on=any to=db"}},
      {"fault(db, persist=delay('1s'), run=param)",
       {"db.fsync path=/data/**", "db.write path=/data/**", "!delay db.persist"}},
      {"fault(db, write=param(), run=param)", {"db.write", "!deny db.write", "!delay db.write"}},
      {"fault(db, run=param, **param())", {"db.*", "!deny db.*", "!delay db.*"}},
  };
  for (const NeedRow& row : rows) {
    CAPTURE(std::string(row.line));
    const auto plan = compiled("def test_x():\n    " + std::string(row.line) + "\n");
    CHECK(needed(plan) == joined(row.needs));
    const auto again = read_back(plan);
    CHECK(needed(again) == joined(row.needs));
    CHECK(again.tests[0].observe == plan.tests[0].observe);
  }
}

}  // namespace
}  // namespace fbx
