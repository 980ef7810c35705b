// SPDX-License-Identifier: Apache-2.0
//
// What can be known about a function's values without running it: constants, frozen globals,
// predeclared names, variables with a single definition made of these. From that, which built-in a
// call means and with which arguments. Everything else is unknown_value().
//
// Thread rule: one thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "spec/model/signature.h"
#include "spec/starlark/core.h"
#include "spec/starlark/program.h"

namespace fbx::model {

// A function and the module it stands in.
struct FunctionAt {
  starlark::Module* module = nullptr;
  const starlark::core::Function* function = nullptr;
};

struct CallSite {
  Value callee = unknown_value();
  Value receiver;                        // of a method call, known or unknown; else no value
  const Signature* signature = nullptr;  // of a built-in of the dialect
  std::vector<Value> args;
  std::vector<Keyword> kwargs;
  bool open = false;
  // Operands, for places: parallel to args and kwargs.
  std::vector<const starlark::core::Operand*> arg_operands, kwarg_operands;
};

class Knowledge {
 public:
  // `heap` takes what is made on the way; all outlive it.
  Knowledge(starlark::Heap& heap, const starlark::Predeclared& predeclared,
            const CheckContext& context)
      : heap_(heap), predeclared_(predeclared), context_(context) {}

  // An operand of the instruction `index`.
  Value operand(const FunctionAt& at, uint32_t index, const starlark::core::Operand& operand) {
    return operand_at(at, index, operand, 0);
  }
  // The instruction `index` is a call.
  CallSite call(const FunctionAt& at, uint32_t index) { return call_at(at, index, 0); }
  // The one instruction that can have written the temporary which `index` reads; nothing when more
  // than one can.
  static std::optional<uint32_t> definition(const starlark::core::Function& function,
                                            uint32_t index, uint32_t temp);
  [[nodiscard]] const CheckContext& context() const { return context_; }

 private:
  using Variable = std::pair<starlark::core::OperandKind, uint32_t>;
  static constexpr uint32_t kMany = 0xffffffff;
  // The one instruction that writes each local, or kMany.
  using Writers = std::map<Variable, uint32_t>;

  const Writers& writers(const starlark::core::Function& function);
  Value operand_at(const FunctionAt& at, uint32_t index, const starlark::core::Operand& operand,
                   int depth);
  Value written_by(const FunctionAt& at, uint32_t index, int depth);
  Value variable(const FunctionAt& at, const Variable& variable, int depth);
  Value captured(const FunctionAt& at, const std::string& name, int depth);
  Value constant(const starlark::core::Constant& constant);
  Value dict(const FunctionAt& at, uint32_t index, int depth);
  Value result(const FunctionAt& at, uint32_t index, int depth);
  Value attribute(Value receiver, const std::string& name);
  CallSite call_at(const FunctionAt& at, uint32_t index, int depth);

  starlark::Heap& heap_;
  const starlark::Predeclared& predeclared_;
  CheckContext context_;
  std::map<const starlark::core::Function*, Writers> writers_;
  // What each instruction gives, by function and number.
  std::map<std::pair<const starlark::core::Function*, uint32_t>, Value> known_;
};

}  // namespace fbx::model
