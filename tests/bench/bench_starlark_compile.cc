// SPDX-License-Identifier: Apache-2.0
//
// starlark_compile FILE…: how long each takes from source to bytecode, verified as ever. Processor
// time, so that a busy machine counts little; bench_starlark calls it.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "spec/starlark/program.h"

namespace {

constexpr int kRounds = 15, kTimes = 40;

double now_ms() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

bool compiles(const std::string& file, const std::string& source) {
  // The host predeclares whatever is not the language's own.
  starlark::Names names{[](std::string_view) { return true; }, nullptr};
  auto program = starlark::Program::from_source(file, source, starlark::Options{}, names);
  if (program) return true;
  std::fprintf(stderr, "%s\n", program.error()[0].text().c_str());
  return false;
}

bool measure(const std::string& file) {
  std::ifstream in(file);
  std::string source{std::istreambuf_iterator<char>(in), {}};
  if (source.empty()) {
    std::fprintf(stderr, "%s: cannot be read\n", file.c_str());
    return false;
  }
  std::vector<double> took;
  for (int round = 0; round < kRounds; ++round) {
    double begin = now_ms();
    for (int i = 0; i < kTimes; ++i) {
      if (!compiles(file, source)) return false;
    }
    took.push_back((now_ms() - begin) / kTimes);
  }
  std::sort(took.begin(), took.end());
  auto lines = std::count(source.begin(), source.end(), '\n');
  double median = took[kRounds / 2];
  std::printf("  %-22s %5ld lines, %6zu bytes: %.3f ms (%.3f … %.3f); 250 lines of it: %.3f ms\n",
              file.substr(file.rfind('/') + 1).c_str(), static_cast<long>(lines), source.size(),
              median, took.front(), took.back(), median * 250 / static_cast<double>(lines));
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::puts("source to bytecode, in process (aim: 250 lines in 1 ms):");
  bool fine = argc > 1;
  for (int i = 1; i < argc; ++i) fine = measure(argv[i]) && fine;
  return fine ? 0 : 1;
}
