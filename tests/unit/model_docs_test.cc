// SPDX-License-Identifier: Apache-2.0
//
// docs/language.md knows what a spec may name: every built-in with each of its parameters, every
// method of a step, and, below "Not there yet", what this version refuses by name and nothing else.
#include <doctest/doctest.h>

#include <cctype>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "spec/model/builtins.h"
#include "spec/model/dialect.h"
#include "spec/model/objects.h"
#include "spec/starlark/heap.h"

using namespace fbx;
using namespace fbx::model;

namespace {

constexpr std::string_view kEnd = "## Not there yet";

std::string document() {
  std::ifstream file(FBX_SOURCE_DIR "/docs/language.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The words that stand in code: between back-ticks, and in samples.
std::set<std::string> code_words(const std::string& text) {
  std::set<std::string> words;
  bool code = false;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : '\n';
    if (is_word(c)) {
      word += c;
      continue;
    }
    if (code && !word.empty()) words.insert(word);
    word.clear();
    if (c == '`') {
      code = !code;
      while (i + 1 < text.size() && text[i + 1] == '`') ++i;
    }
  }
  return words;
}

struct Documented {
  std::set<std::string> now, later;
};

Documented documented() {
  const std::string text = document();
  const size_t end = text.find(kEnd);
  REQUIRE(end != std::string::npos);
  return {code_words(text.substr(0, end)), code_words(text.substr(end))};
}

void check_parameters(const Documented& said, const starlark::Builtin& builtin) {
  const Signature* signature = signature_of(builtin);
  if (signature == nullptr) return;
  for (const Param& param : signature->params) {
    CAPTURE(builtin.name());
    CAPTURE(param.name);
    const auto& words = param.later.empty() ? said.now : said.later;
    // A health check that waits for its first form stands below with all it takes.
    CHECK((words.contains(std::string(param.name)) || said.later.contains(std::string(param.name)) ||
           param.required));
  }
}

}  // namespace

TEST_CASE("docs/language.md names every built-in and each of its parameters") {
  const Documented said = documented();
  size_t there = 0, not_there = 0;
  for (const std::string_view name : predeclared_names().all()) {
    CAPTURE(name);
    const std::string text(name);
    if (!not_yet(name).empty()) {
      ++not_there;
      CHECK_MESSAGE(said.later.contains(text), name << " belongs below \"Not there yet\"");
      continue;
    }
    ++there;
    CHECK_MESSAGE((said.now.contains(text) || said.later.contains(text)), name << " is missing");
    if (const starlark::Builtin* builtin = builtin_by_plan_name(name)) {
      check_parameters(said, *builtin);
    }
  }
  CHECK(there > 30);
  CHECK(there + not_there > 50);
}

TEST_CASE("docs/language.md names every step") {
  const Documented said = documented();
  for (const plan::Protocol protocol : {plan::Protocol::kHttp, plan::Protocol::kTcp,
                                        plan::Protocol::kUdp, plan::Protocol::kUnix}) {
    for (const std::string_view name : step_method_names(protocol)) {
      CAPTURE(name);
      CHECK(said.now.contains(std::string(name)));
      check_parameters(said, *step_method(protocol, name));
    }
  }
}

TEST_CASE("what docs/language.md says is not there yet, is not") {
  const std::string text = document();
  const size_t begin = text.find(kEnd);
  // The first paragraph is the list of built-ins.
  const size_t list = text.find(": `", begin);
  const size_t stop = text.find("\n\n", list);
  size_t listed = 0;
  for (const std::string& word : code_words(text.substr(list, stop - list))) {
    CAPTURE(word);
    ++listed;
    CHECK_MESSAGE(!not_yet(word).empty(), word << " is there now: say so above");
  }
  CHECK(listed > 0);
}
