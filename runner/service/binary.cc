// SPDX-License-Identifier: Apache-2.0
#include "runner/service/binary.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

namespace fbx::service {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool is_executable_file(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

Result<std::string> search_path(const std::string& name, const std::string& path) {
  for (size_t at = 0; at <= path.size();) {
    size_t end = path.find(':', at);
    if (end == std::string::npos) end = path.size();
    const std::string dir = path.substr(at, end - at);
    if (!dir.empty() && is_executable_file(dir + "/" + name)) return dir + "/" + name;
    at = end + 1;
  }
  return fail_errno("no executable file " + name + " on PATH", ENOENT);
}

std::string read_head(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char head[256];
  file.read(head, sizeof head);
  return {head, static_cast<size_t>(file.gcount())};
}

// "#!/usr/bin/env python3" → "/usr/bin/env"; "" when it is no script.
std::string interpreter_of(const std::string& path) {
  const std::string head = read_head(path);
  if (!head.starts_with("#!")) return "";
  const size_t begin = head.find_first_not_of(" \t", 2);
  if (begin == std::string::npos) return "";
  return head.substr(begin, head.find_first_of(" \t\n", begin) - begin);
}

bool runs_here(uint16_t machine) {
#if defined(__x86_64__)
  return machine == EM_X86_64 || machine == EM_386;
#elif defined(__aarch64__)
  return machine == EM_AARCH64 || machine == EM_ARM;
#else
  return true;
#endif
}

struct Objection {
  DiagnosticCode code;
  std::string message, hint;
};

// Why `path` can't be executed; an empty code when it can.
Objection object_to(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {"missing-binary", "there is no file " + path, ""};
  if (!S_ISREG(info.st_mode)) return {"not-executable", path + " is no file", ""};
  if (::access(path.c_str(), X_OK) != 0)
    return {"not-executable", path + " is not executable", "chmod +x " + path};
  const std::string head = read_head(path);
  if (head.starts_with("#!")) {
    const std::string interpreter = interpreter_of(path);
    if (is_executable_file(interpreter)) return {};
    return {"missing-interpreter", path + " names the interpreter " + interpreter +
            ", which is not there", ""};
  }
  Elf64_Ehdr elf{};
  if (head.size() < 20 || !head.starts_with(ELFMAG))
    return {"not-a-program", path + " is neither an ELF program nor a script with #!", ""};
  std::memcpy(&elf, head.data(), std::min(head.size(), sizeof elf));
  if (!runs_here(elf.e_machine))
    return {"wrong-architecture", path + " is built for another architecture (ELF machine " +
            std::to_string(elf.e_machine) + ")", "build it for this machine"};
  return {};
}

std::string similar_file(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path file(path);
  for (fs::directory_iterator it(file.parent_path(), error), end; !error && it != end;
       it.increment(error))
    names.push_back(it->path().filename().string());
  const std::string near = nearest_name(file.filename().string(), names);
  return near.empty() ? "" : "did you mean " + (file.parent_path() / near).string() + "?";
}

}  // namespace

std::string service_path() {
  const char* path = std::getenv("PATH");
  return path == nullptr || *path == '\0' ? kDefaultPath : path;
}

Result<Binary> find_binary(const std::string& binary, const std::string& spec_dir,
                           const std::string& path) {
  Binary found;
  if (binary.find('/') == std::string::npos) {
    auto on_path = search_path(binary, path);
    if (!on_path) return std::unexpected(on_path.error());
    found.path = *on_path;
  } else {
    found.path = (fs::path(spec_dir) / binary).lexically_normal().string();
  }
  std::error_code error;
  found.real = fs::canonical(found.path, error).string();
  if (error) return fail_errno(found.path, error.value());
  return found;
}

Diagnostics check_binaries(const plan::Plan& plan) {
  Diagnostics all;
  const std::string path = service_path();
  for (const plan::Service& service : plan.services) {
    const bool bare = service.binary.find('/') == std::string::npos;
    auto found = find_binary(service.binary, plan.spec_dir, path);
    Objection objection;
    if (found) {
      objection = object_to(found->path);
    } else if (bare) {
      const bool beside = fs::exists(fs::path(plan.spec_dir) / service.binary);
      objection = {"missing-binary", found.error().message,
                   beside ? "beside the spec is one: \"./" + service.binary + "\""
                          : "install it, or write its path"};
    } else {
      const std::string file = (fs::path(plan.spec_dir) / service.binary).lexically_normal();
      objection = {"missing-binary", "there is no file " + file, similar_file(file)};
    }
    if (objection.code.name().empty()) continue;
    all.push_back({service.place, objection.code,
                   "service \"" + service.name + "\": binary \"" + service.binary +
                       "\": " + objection.message,
                   objection.hint});
  }
  return all;
}

std::vector<std::string> executed_files(const plan::Plan& plan) {
  std::set<std::string> files;
  const std::string path = service_path();
  const auto add = [&](const std::string& file) {
    std::error_code error;
    const fs::path real = fs::canonical(file, error);
    if (error) return;
    files.insert(file);
    files.insert(real.string());
  };
  const auto add_program = [&](const std::string& program) {
    const auto found = find_binary(program, plan.spec_dir, path);
    if (!found) return;
    add(found->path);
    if (const std::string interpreter = interpreter_of(found->path); interpreter.starts_with('/'))
      add(interpreter);
  };
  for (const plan::Service& service : plan.services) {
    add_program(service.binary);
    for (const auto& command : service.prepare) add_program(command.front());
    if (!service.healthcheck.argv.empty()) add_program(service.healthcheck.argv.front());
  }
  return {files.begin(), files.end()};
}

}  // namespace fbx::service
