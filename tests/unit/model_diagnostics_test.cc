// SPDX-License-Identifier: Apache-2.0
//
// Malformed specs, one mistake each: place, code, hint, and no second message.
#include <doctest/doctest.h>

#include "tests/unit/fake_runner.h"

namespace fbx {
namespace {

struct Row {
  const char* text;  // behind three lines that declare `db` and `web`
  const char* place;
  const char* code;
  const char* hint;
};

constexpr const char* kTopology =
    "db = service('db', 'db', interface('main', 'tcp', 1))\n"
    "web = service('web', 'web', interface('public', 'http', 2))\n"
    "def test_ok(): pass\n";

const Row kRows[] = {
    {"def test_x():\n    fault(db, conect=deny('EIO'), run=len)\n", "a.star:5:15", "unknown-keyword",
     "did you mean connect?"},
    {"def test_x():\n    fault(db, write=deny('EIOO'), run=len)\n", "a.star:5:26", "unknown-errno",
     "did you mean EIO?"},
    {"A = deny('EIOO')\n", "a.star:4:10", "unknown-errno", "did you mean EIO?"},
    {"asert_eq(1, 1)\n", "a.star:4:1", "name.undefined", "did you mean assert_eq?"},
    {"def test_x():\n    kill(db)\n", "a.star:5:5", "not-yet", nullptr},
    {"def test_x():\n    web.pos('/')\n", "a.star:5:5", "unknown-attribute", "did you mean post?"},
    {"def test_x():\n    assert_never(service='dbb', syscall='write')\n", "a.star:5:18",
     "unknown-service", "did you mean db?"},
    {"def test_x():\n    assert_never(syscall='wirte')\n", "a.star:5:18", "unknown-syscall", nullptr},
    {"def test_x():\n    assert_never()\n", "a.star:5:5", "empty-filter", nullptr},
    {"def test_x():\n    sleep('1x')\n", "a.star:5:11", "duration", nullptr},
    {"def test_x():\n    sleep(1)\n", "a.star:5:11", "argument-type", nullptr},
    {"def test_x():\n    partition(db, db, run=len)\n", "a.star:5:5", "partition-itself", nullptr},
    {"def test_x():\n    partition(db, web)\n", "a.star:5:5", "missing-argument", nullptr},
    {"def test_x():\n    fault(db, run=len)\n", "a.star:5:5", "no-fault", nullptr},
    {"A = deny('EIO', nth=1, after=2)\n", "a.star:4:24", "argument-conflict", nullptr},
    {"A = deny('EIO', probability=30)\n", "a.star:4:17", "argument-value", "did you mean \"30%\"?"},
    {"c = service('db', 'c')\n", "a.star:4:5", "service-twice", nullptr},
    {"c = service('c', 'c', interface('m', 'tcp', 2))\n", "a.star:4:5", "port-twice", nullptr},
    {"c = service('c', 'c', depends_on=['d'])\nd = service('d', 'd', depends_on=[c])\n",
     "a.star:4:5", "dependency-cycle", nullptr},
    {"c = service('c', 'c', depends_on=['wbe'])\n", "a.star:4:23", "unknown-service", nullptr},
    {"c = service('c', 'c', image='x')\n", "a.star:4:23", "not-yet", nullptr},
    {"fault(db, write=deny('EIO'), run=len)\n", "a.star:4:1", "misplaced", nullptr},
    {"scenario(lambda: 1)\n", "a.star:4:10", "unnamed", nullptr},
    {"test('ok', len)\n", "a.star:4:1", "test-twice", nullptr},
    {"def test_x(a): pass\n", "a.star:4:1", "test-parameters", nullptr},
    {"known_failure('test_okk', 'why')\n", "a.star:4:15", "unknown-test", "did you mean test_ok?"},
    {"env('NOT_SET')\n", "a.star:4:5", "env-missing", nullptr},
    {"A = 1 + 'a'\n", "a.star:4:7", "run.type", nullptr},
    {"load('none.star', 'x')\n", "a.star:4:1", "run.load", nullptr},
};

TEST_CASE("each mistake has one message, at its place") {
  for (const Row& row : kRows) {
    CAPTURE(row.text);
    testing::FakeLoader loader;
    loader.files["a.star"] = std::string(kTopology) + row.text;
    const auto out = model::compile_spec(loader, "a.star");
    CHECK_FALSE(out.plan);
    CHECK(out.diagnostics.size() == 1);
    if (out.diagnostics.empty()) continue;
    CHECK(out.diagnostics[0].place.text() == row.place);
    CHECK(out.diagnostics[0].code == row.code);
    if (row.hint != nullptr) CHECK(out.diagnostics[0].hint == row.hint);
  }
}

}  // namespace
}  // namespace fbx
