// SPDX-License-Identifier: Apache-2.0
#include "runner/cli/files.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "spec/model/compile.h"
#include "spec/model/load.h"

namespace fbx::cli {

namespace fs = std::filesystem;

Result<std::string> read_whole_file(const std::string& path) {
  std::error_code why;
  if (fs::is_directory(path, why)) return fail_errno(path, EISDIR);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail_errno(path);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return fail_errno(path);
  return text;
}

namespace {

class DiskLoader final : public model::Loader {
 public:
  explicit DiskLoader(fs::path folder) : folder_(std::move(folder)) {}
  Result<std::string> read_file(const std::string& path) override {
    return read_whole_file((folder_ / path).string());
  }
  std::optional<std::string> env(const std::string& name) override {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }

 private:
  fs::path folder_;
};

bool is_plan(const std::string& path, const std::string& text) {
  return fs::path(path).extension() == ".toml" || text.starts_with("fbx_plan");
}

}  // namespace

Result<std::vector<std::string>> expand_inputs(const std::vector<std::string>& inputs) {
  std::vector<std::string> out;
  for (const std::string& input : inputs) {
    std::error_code why;
    if (!fs::is_directory(input, why)) {
      out.push_back(input);
      continue;
    }
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(input, why)) {
      if (entry.path().extension() == ".star") found.push_back(entry.path().string());
    }
    if (why) return fail_errno(input, why.value());
    if (found.empty()) return fail(input + ": no spec (*.star) in this folder");
    std::sort(found.begin(), found.end());
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

std::optional<plan::Plan> open_plan(const std::string& path, Diagnostics& diagnostics) {
  auto text = read_whole_file(path);
  if (!text) {
    diagnostics.push_back({Place{}, "unreadable", text.error().text()});
    return std::nullopt;
  }
  const fs::path folder = fs::path(path).parent_path();
  std::optional<plan::Plan> plan;
  if (is_plan(path, *text)) {
    plan = model::load_plan(*text, path, diagnostics);
  } else {
    DiskLoader loader(folder);
    auto compiled = model::compile_spec(loader, fs::path(path).filename().string());
    for (Diagnostic& d : compiled.diagnostics) {
      if (!d.place.file.empty()) d.place.file = (folder / d.place.file).string();
      diagnostics.push_back(std::move(d));
    }
    plan = std::move(compiled.plan);
  }
  if (plan) plan->spec_dir = fs::absolute(folder.empty() ? "." : folder).lexically_normal().string();
  return plan;
}

}  // namespace fbx::cli
