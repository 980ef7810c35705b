// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "base/glob.h"
#include "runner/inject/call_rules.h"

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

bool match_in_steps(const std::string& pattern, const std::string& text) {
  const auto tokens = fbx::inject::glob_tokens(pattern);
  REQUIRE(tokens);
  static char room[FBX_GLOB_TEXT];
  const uint32_t from = static_cast<uint32_t>(FBX_GLOB_TEXT - text.size());
  text.copy(room + from, text.size());
  fbx_glob_state state{};
  int result = FBX_GLOB_GOES_ON;
  for (int i = 0; i < FBX_GLOB_STEPS && result == FBX_GLOB_GOES_ON; ++i)
    result = fbx_glob_step(&state, &*tokens, room, from, static_cast<uint32_t>(text.size()));
  REQUIRE(result != FBX_GLOB_GOES_ON);
  return result == FBX_GLOB_MATCHES;
}

TEST_CASE("globs match as the language says") {
  for (const Row& row : kRows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    CHECK(fbx::glob_match_path(row.pattern, row.text) == row.path);
    CHECK(fbx::glob_match(row.pattern, row.text) == row.plain);
    CHECK(match_in_steps(row.pattern, row.text) == row.path);
  }
}

TEST_CASE("the kernel's glob, step by step, is base's glob") {
  std::mt19937 draw(11);
  const std::string pattern_letters = "ab//***?\\", text_letters = "ab/";
  auto word = [&](const std::string& letters, size_t longest) {
    std::string out;
    for (size_t n = draw() % (longest + 1); n; --n) out += letters[draw() % letters.size()];
    return out;
  };
  for (int i = 0; i < 500'000; ++i) {
    const std::string pattern = word(pattern_letters, 12), text = word(text_letters, 10);
    CAPTURE(pattern);
    CAPTURE(text);
    REQUIRE(match_in_steps(pattern, text) == fbx::glob_match_path(pattern, text));
  }
}

TEST_CASE("a pattern without specials is no glob") {
  CHECK_FALSE(fbx::has_glob("/tmp/inventory.wal"));
  CHECK(fbx::has_glob("/tmp/*.wal"));
}

}  // namespace
