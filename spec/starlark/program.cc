// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/program.h"

#include "spec/starlark/core_verify.h"
#include "spec/starlark/lower.h"

namespace starlark {

Program::Program() : image_(std::make_unique<Image>()) {}
Program::~Program() = default;

std::expected<std::shared_ptr<const Program>, std::vector<Diagnostic>> Program::create(
    core::Module module, const Names& names) {
  if (auto fine = core::verify(module, names.predeclared); !fine) {
    return std::unexpected(std::move(fine.error()));
  }
  std::shared_ptr<Program> p(new Program);
  p->core_ = std::move(module);
  lower(p->core_, *p->image_);
  for (const auto& f : p->image_->functions) {
    if (f->registers < 65'000) continue;
    Diagnostic d;
    d.file = p->core_.file;
    d.code = Code::too_large;
    d.message = "function \"" + f->core->key + "\" needs too many registers";
    return std::unexpected(std::vector<Diagnostic>{d});
  }
  return p;
}

std::expected<std::shared_ptr<const Program>, std::vector<Diagnostic>> Program::from_source(
    std::string_view file, std::string_view source, const Options& options, const Names& names) {
  auto module = compile(file, source, options, names);
  if (!module) return std::unexpected(std::move(module.error()));
  return create(std::move(*module), names);
}

const Lowered* Program::lowered(std::string_view key) const {
  auto it = image_->by_key.find(key);
  return it == image_->by_key.end() ? nullptr : image_->functions[it->second].get();
}

}  // namespace starlark
