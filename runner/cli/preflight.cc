// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/preflight.h"

#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

namespace fbx::cli {

namespace fs = std::filesystem;

namespace {

// include/uapi/linux/elf-em.h
#if defined(__aarch64__)
constexpr uint16_t kMachine = 183;
#else
constexpr uint16_t kMachine = 62;
#endif

std::optional<fs::path> on_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string all = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
  size_t begin = 0;
  while (begin <= all.size()) {
    const size_t end = std::min(all.find(':', begin), all.size());
    const fs::path candidate = fs::path(all.substr(begin, end - begin)) / name;
    begin = end + 1;
    std::error_code why;
    if (fs::is_regular_file(candidate, why)) return candidate;
  }
  return std::nullopt;
}

Diagnostic about(const plan::Service& service, const char* code, const std::string& what) {
  return {service.place, code, "service \"" + service.name + "\": " + what};
}

std::optional<Diagnostic> look_inside(const plan::Service& service, const fs::path& file) {
  std::array<char, 256> head = {};
  std::ifstream in(file, std::ios::binary);
  in.read(head.data(), head.size());
  const std::string_view got(head.data(), static_cast<size_t>(in.gcount()));
  if (got.starts_with("#!")) {
    std::string_view line = got.substr(2, got.find('\n') - 2);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const std::string interpreter(line.substr(0, line.find_first_of(" \t\r")));
    std::error_code why;
    if (fs::is_regular_file(interpreter, why)) return std::nullopt;
    return about(service, "missing-interpreter",
                 file.string() + " is a script for " + interpreter + ", which is not there");
  }
  if (!got.starts_with("\x7f" "ELF") || got.size() < 20) {
    return about(service, "wrong-architecture",
                 file.string() + " is neither an ELF program nor a script with #!");
  }
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(got[i]); };
  // Class 64 bit, little endian, and the machine at offset 18.
  if (byte(4) == 2 && byte(5) == 1 && (byte(18) | byte(19) << 8) == kMachine) return std::nullopt;
  return about(service, "wrong-architecture",
               file.string() + " is a program for another kind of machine");
}

std::optional<Diagnostic> look_at(const plan::Plan& plan, const plan::Service& service) {
  std::string binary = service.binary;
  for (size_t at; (at = binary.find("${spec_dir}")) != std::string::npos;) {
    binary.replace(at, 11, plan.spec_dir);
  }
  fs::path file = fs::path(plan.spec_dir) / binary;  // an absolute one stays
  if (binary.find('/') == std::string::npos) {
    const auto found = on_path(binary);
    if (!found) return about(service, "missing-binary", binary + " is not on PATH");
    file = *found;
  }
  file = file.lexically_normal();
  std::error_code why;
  if (!fs::exists(file, why)) {
    return about(service, "missing-binary", "there is no " + file.string());
  }
  if (!fs::is_regular_file(file, why)) {
    return about(service, "not-executable", file.string() + " is no file");
  }
  if (access(file.c_str(), X_OK) != 0) {
    return about(service, "not-executable", file.string() + " is not executable");
  }
  return look_inside(service, file);
}

}  // namespace

Diagnostics preflight(const plan::Plan& plan) {
  Diagnostics out;
  for (const plan::Service& service : plan.services) {
    if (auto diagnostic = look_at(plan, service)) out.push_back(std::move(*diagnostic));
  }
  return out;
}

}  // namespace fbx::cli
