// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "base/glob.h"

namespace {

struct Row {
  const char* pattern;
  const char* text;
  bool path;
  bool plain;
};

constexpr Row kRows[] = {
    {"/data/*.wal", "/data/a.wal", true, true},
    {"/data/*.wal", "/data/.wal", true, true},
    {"/data/*.wal", "/data/x/a.wal", false, true},
    {"/data/**", "/data/x/a.wal", true, true},
    {"/data/**", "/data/", true, true},
    {"/data/**", "/data", false, false},
    {"/data/**/a", "/data/a", true, true},
    {"/data/**/a", "/data/x/y/a", true, true},
    {"/data/**/a", "/data/xa", false, false},
    {"**/a", "/x/y/a", true, true},
    {"**.wal", "/x/y/a.wal", true, true},
    {"/a?c", "/abc", true, true},
    {"/a?c", "/a/c", false, true},
    {"a\\*b", "a*b", true, true},
    {"a\\*b", "axb", false, false},
    {"", "", true, true},
    {"", "a", false, false},
    {"*", "", true, true},
    {"*", ".hidden", true, true},
    {"deny(*)", "deny(EIO)", true, true},
    {"*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false},
};

TEST_CASE("globs match as the language says") {
  for (const Row& row : kRows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    CHECK(fbx::glob_match_path(row.pattern, row.text) == row.path);
    CHECK(fbx::glob_match(row.pattern, row.text) == row.plain);
  }
}

TEST_CASE("a pattern without specials is no glob") {
  CHECK_FALSE(fbx::has_glob("/tmp/inventory.wal"));
  CHECK(fbx::has_glob("/tmp/*.wal"));
}

}  // namespace
