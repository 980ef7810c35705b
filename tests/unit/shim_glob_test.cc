// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "base/glob.h"

extern "C" int fbx_glob(const char* pattern, int pattern_len, const char* text, int text_len);

TEST_CASE("the shim's glob is base's glob") {
  std::mt19937 draw(7);
  const std::string pattern_letters = "ab/*?\\", text_letters = "ab/";
  auto word = [&](const std::string& letters, size_t longest) {
    std::string out;
    for (size_t n = draw() % (longest + 1); n; --n) out += letters[draw() % letters.size()];
    return out;
  };
  for (int i = 0; i < 200'000; ++i) {
    const std::string pattern = word(pattern_letters, 8), text = word(text_letters, 8);
    CAPTURE(pattern);
    CAPTURE(text);
    REQUIRE((fbx_glob(pattern.data(), static_cast<int>(pattern.size()), text.data(),
                      static_cast<int>(text.size())) != 0) == fbx::glob_match_path(pattern, text));
  }
}
