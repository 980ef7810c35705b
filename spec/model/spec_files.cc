// SPDX-License-Identifier: Apache-2.0
#include "spec/model/spec_files.h"

#include <algorithm>
#include <system_error>

#include "bpf/abi/tables.h"
#include "spec/model/body_check.h"
#include "spec/model/dialect.h"
#include "spec/model/host.h"
#include "spec/plan/sha256.h"

namespace fbx::model {

namespace {

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    if (out.back().ends_with('\r')) out.back().pop_back();
    begin = end + 1;
  }
  return out;
}

// "lib/a.star" + "../b.star" → "b.star". A leading ".." stays.
std::string join_path(const std::string& from, const std::string& name) {
  const size_t slash = from.rfind('/');
  std::string path = slash == std::string::npos ? name : from.substr(0, slash + 1) + name;
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin <= path.size()) {
    const size_t end = std::min(path.find('/', begin), path.size());
    std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") parts.pop_back();
    else parts.push_back(std::move(part));
  }
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : "/") + part;
  return out;
}

starlark::Error load_error(std::string message) {
  starlark::Error error;
  error.code = starlark::Code::load;
  error.message = std::move(message);
  return error;
}

// deny(EIO): C's name, which a spec writes as a string.
std::string hint_of(const starlark::Diagnostic& d) {
  const size_t colon = d.message.rfind(' ');
  const std::string name = colon == std::string::npos ? "" : d.message.substr(colon + 1);
  if (d.code != starlark::Code::undefined || !abi::errno_number(name)) return d.hint;
  return "the name of an errno is a string: \"" + name + "\"";
}

Diagnostic diagnostic(const starlark::Diagnostic& d) {
  return {Place{d.file, static_cast<uint32_t>(d.line), static_cast<uint32_t>(d.col)},
          DiagnosticCode::of_language(starlark::code_name(d.code)), d.message, hint_of(d)};
}

}  // namespace

starlark::Module* SpecFiles::main(const std::string& spec) {
  main_file_ = spec;
  auto text = builder_.read_file(spec);
  if (!text) {
    diagnostics_.push_back({Place{spec}, "unreadable", text.error().text()});
    return nullptr;
  }
  // The spec itself is no file that it reads.
  main_sha256_ = builder_.plan.file_reads.back().sha256;
  builder_.plan.file_reads.clear();
  return run(spec, *text);
}

std::expected<starlark::Module*, starlark::Error> SpecFiles::load(const std::string& from,
                                                                  const std::string& name) {
  if (name.empty() || name.starts_with('/')) {
    return std::unexpected(load_error("load() takes a path relative to the loading file"));
  }
  const std::string file = join_path(from, name);
  if (open_.contains(file)) {
    return std::unexpected(load_error("\"" + file + "\" loads itself, by way of \"" + from + "\""));
  }
  if (const auto known = modules_.find(file); known != modules_.end()) return known->second;
  auto text = builder_.read_file(file);
  if (!text) {
    const Error& why = text.error();
    return std::unexpected(load_error(why.errnum != 0 ? std::generic_category().message(why.errnum)
                                                      : why.text()));
  }
  starlark::Module* module = run(file, *text);
  if (module == nullptr) return std::unexpected(load_error(""));  // its own diagnostics say why
  return module;
}

starlark::Module* SpecFiles::run(const std::string& file, const std::string& text) {
  auto compiled = starlark::compile(file, text, language_options(), predeclared_names());
  if (!compiled) {
    for (const auto& d : compiled.error()) diagnostics_.push_back(diagnostic(d));
    return nullptr;
  }
  const size_t before = diagnostics_.size();
  check_not_yet(*compiled, diagnostics_);
  if (diagnostics_.size() != before) return nullptr;
  auto program = starlark::Program::create(std::move(*compiled), predeclared_names());
  if (!program) {
    for (const auto& d : program.error()) diagnostics_.push_back(diagnostic(d));
    return nullptr;
  }
  open_.insert(file);
  lines_[file] = split_lines(text);
  auto module = starlark::run_module(heap_, environment_, *program, predeclared_);
  open_.erase(file);
  if (!module) {
    if (diagnostics_.size() == before) report(module.error());
    return nullptr;
  }
  return modules_[file] = *module;
}

void SpecFiles::report(const starlark::Error& error) {
  Diagnostic out{to_place(error.place()), DiagnosticCode::of_language(starlark::code_name(error.code)),
                 error.message, error.hint};
  if (const auto* payload = dynamic_cast<const ProblemPayload*>(error.payload.get())) {
    out.code = payload->code;
    if (payload->place.line > 0) out.place = to_place(payload->place);
  }
  diagnostics_.push_back(std::move(out));
}

std::vector<starlark::Module*> SpecFiles::modules() const {
  std::vector<starlark::Module*> out;
  if (const auto main = modules_.find(main_file_); main != modules_.end()) out.push_back(main->second);
  for (const auto& [file, module] : modules_) {
    if (file != main_file_) out.push_back(module);
  }
  return out;
}

void SpecFiles::quote(const Place& place) {
  const auto lines = lines_.find(place.file);
  if (lines == lines_.end() || place.line == 0 || place.line > lines->second.size()) return;
  auto& sources = builder_.plan.sources;
  auto found = std::find_if(sources.begin(), sources.end(),
                            [&](const auto& s) { return s.file == place.file; });
  if (found == sources.end()) found = sources.insert(found, plan::SourceLines{place.file, {}});
  found->lines[place.line] = lines->second[place.line - 1];
}

void SpecFiles::collect_sources() {
  const plan::Plan& plan = builder_.plan;
  for (const auto& service : plan.services) quote(service.place);
  for (const auto& assumption : plan.assumptions) quote(assumption.place);
  for (const auto& matrix : plan.matrices) quote(matrix.place);
  for (const auto& test : plan.tests) quote(test.place);
  for (const auto& module : plan.image.modules) {
    for (const auto& function : module.code.functions) {
      quote({module.code.file, function.line, 0});
      for (const auto& instr : function.code) {
        quote({module.code.file, function.line + instr.line, 0});
      }
    }
  }
}

}  // namespace fbx::model
