// SPDX-License-Identifier: Apache-2.0
//
// What each BPF program costs to load on this kernel: processor time of loading it alone, with what
// the maps cost taken off; of some rounds the least, because other work on the machine only adds.
// Beside it the instructions that the verifier went through, and instructions and bytes of the
// program. A program that is refused is said, with the verifier's last words, and the exit code is 1.
//
//   bench_programs [rounds]      needs root
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "bpf/fbx.skel.h"

namespace {

double now_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) / 1e6;
}

int quiet(libbpf_print_level, const char*, va_list) { return 0; }

struct Cost {
  double ms = 0;
  unsigned long long processed = 0;
  uint32_t instructions = 0;
  uint32_t bytes = 0;
};

struct Object {
  bpf_object* object;
  Object() {
    size_t size = 0;
    const void* bytes = fbx_bpf__elf_bytes(&size);
    LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "fbx");
    object = bpf_object__open_mem(bytes, size, &options);
  }
  ~Object() { bpf_object__close(object); }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
};

std::vector<std::string> names() {
  std::vector<std::string> out;
  const Object all;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, all.object) out.push_back(bpf_program__name(program));
  return out;
}

std::string last_line(const std::string& log) {
  std::string best;
  for (size_t at = 0; at < log.size();) {
    size_t end = log.find('\n', at);
    if (end == std::string::npos) end = log.size();
    const std::string line = log.substr(at, end - at);
    if (line.starts_with("verification time ")) break;  // what follows is statistics
    if (!line.empty()) best = line;
    at = end + 1;
  }
  return best;
}

// The maps and libbpf's own work, without any program.
double load_nothing() {
  const Object none;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, none.object) bpf_program__set_autoload(program, false);
  const double begin = now_ms();
  bpf_object__load(none.object);
  return now_ms() - begin;
}

std::optional<Cost> load(const std::string& name, std::string* why) {
  const Object one;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, one.object)
      bpf_program__set_autoload(program, name == bpf_program__name(program));
  program = bpf_object__find_program_by_name(one.object, name.c_str());
  std::string log(1 << 16, '\0');
  bpf_program__set_log_buf(program, log.data(), log.size());
  bpf_program__set_log_level(program, 4);
  const double begin = now_ms();
  const int error = bpf_object__load(one.object);
  const double end = now_ms();
  log.resize(strlen(log.c_str()));
  if (error != 0) {
    *why = std::string(strerror(-error)) + ": " + last_line(log);
    return std::nullopt;
  }
  Cost cost;
  cost.ms = end - begin;
  if (const char* at = strstr(log.c_str(), "processed ")) cost.processed = strtoull(at + 10, nullptr, 10);
  bpf_prog_info info{};
  uint32_t size = sizeof info;
  if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0) {
    cost.instructions = info.xlated_prog_len / 8;
    cost.bytes = info.jited_prog_len;
  }
  return cost;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, atoi(argv[1])) : 5;
  libbpf_set_print(quiet);
  bool all_loaded = true;
  double floor = load_nothing();
  for (int i = 1; i < rounds; ++i) floor = std::min(floor, load_nothing());
  double sum = 0;
  std::printf("%-26s %10s %12s %14s %10s\n", "program", "load ms", "gone through", "instructions",
              "machine B");
  for (const std::string& name : names()) {
    std::vector<double> times;
    Cost cost;
    std::string why;
    for (int i = 0; i < rounds && why.empty(); ++i)
      if (const auto one = load(name, &why)) times.push_back((cost = *one).ms);
    if (!why.empty()) {
      std::printf("%-26s refused: %s\n", name.c_str(), why.c_str());
      all_loaded = false;
      continue;
    }
    std::ranges::sort(times);
    const double least = std::max(0.0, times.front() - floor);
    sum += least;
    std::printf("%-26s %10.2f %12llu %14u %10u\n", name.c_str(), least, cost.processed,
                cost.instructions, cost.bytes);
  }
  std::printf("%-26s %10.2f\n%-26s %10.2f\n", "together", sum, "the maps", floor);
  return all_loaded ? 0 : 1;
}
