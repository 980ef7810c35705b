// SPDX-License-Identifier: Apache-2.0
#include "spec/starlark/lower_flow.h"

#include <algorithm>
#include <span>

namespace starlark {
namespace {

using core::Instr;
using core::Op;
using core::Operand;
using core::OperandKind;
using Bits = std::vector<bool>;

class Analysis {
 public:
  Analysis(const core::Function& f, Flow& out) : f_(f), out_(out) {}

  void run() {
    layout();
    out_.check.assign(f_.code.size(), {});
    out_.reachable.assign(f_.code.size(), false);
    out_.open_at.assign(f_.code.size(), 0);
    labels_.assign(f_.labels.size(), {});
    only_params_ = f_.labels.size() * f_.locals.size() > 32'000'000;
    for (int pass = 0; forward(); ++pass) {
      if (pass == kMostPasses) forget_assigned();
    }
    backward();
  }

 private:
  // No code that the compiler makes needs more passes than loops are nested; what a plan holds may.
  static constexpr int kMostPasses = 200;

  // From now on, nothing but a parameter counts as assigned: always right, and known in one pass.
  void forget_assigned() {
    only_params_ = true;
    for (State& at : labels_) at = {};
  }

  const Operand& arg(const Instr& in, std::uint32_t i) const { return f_.operands[in.first + i]; }
  std::span<const Operand> targets(const Instr& in) const {
    return {f_.operands.data() + in.first + in.count, in.targets};
  }
  bool plain_local(const Operand& o) const {
    return o.kind == OperandKind::local && !f_.locals[o.index].cell;
  }

  void layout() {
    auto see = [&](const Operand& o) {
      if (o.kind == OperandKind::temp) out_.temps = std::max(out_.temps, o.index + 1);
    };
    for (const Instr& in : f_.code) {
      see(in.dst);
      for (std::uint32_t i = 0; i < in.count + in.targets; ++i) see(arg(in, i));
    }
    out_.label_at.assign(f_.code.size() + 1, core::kNone);
    for (std::uint32_t l = 0; l < f_.labels.size(); ++l) {
      std::uint32_t& first = out_.label_at[f_.labels[l]];
      if (first == core::kNone) first = l;
    }
  }

  struct State {
    Bits assigned;
    std::uint32_t open = 0;
    bool known = false;
  };

  // From `now` to the label; true if the label learnt something.
  bool join(std::uint32_t label, const State& now) {
    State& at = labels_[label];
    if (!at.known) {
      at = now;
      return true;
    }
    bool changed = false;
    for (std::size_t i = 0; i < now.assigned.size(); ++i) {
      if (!at.assigned[i] || now.assigned[i]) continue;
      at.assigned[i] = false;
      changed = true;
    }
    return changed;
  }

  // Which locals are surely assigned, and what is open, before each instruction.
  bool forward() {
    bool changed = false;
    State now{Bits(only_params_ ? f_.params.size() : f_.locals.size(), false), 0, true};
    for (std::size_t i = 0; i < f_.params.size(); ++i) now.assigned[i] = true;
    bool live = true;
    for (std::size_t i = 0; i < f_.code.size(); ++i) {
      for (std::uint32_t l = out_.label_at[i]; l < f_.labels.size() && f_.labels[l] == i; ++l) {
        if (live) changed |= join(l, now);
        live = labels_[l].known;
        if (live) now = labels_[l];
      }
      if (live) live = step(i, now, changed);
    }
    return changed;
  }

  // Past the instruction; false if what follows is not reached from it.
  bool step(std::size_t i, State& now, bool& changed) {
    const Instr& in = f_.code[i];
    out_.reachable[i] = true;
    out_.open_at[i] = now.open;
    out_.check[i].clear();
    for (std::uint32_t k = 0; k < in.count; ++k) {
      const Operand& o = arg(in, k);
      if (plain_local(o) && !(o.index < now.assigned.size() && now.assigned[o.index])) {
        out_.check[i].push_back(static_cast<std::uint16_t>(o.index));
      }
    }
    if (in.label != core::kNone) changed |= join(in.label, now);
    if (in.op == Op::iter) now.open = opened(i, now.open);
    if (in.op == Op::end) now.open = out_.open[now.open].around;
    assign(in.dst, now);
    for (const Operand& t : targets(in)) assign(t, now);
    return !core::info(in.op).terminator;
  }

  void assign(const Operand& o, State& now) const {
    if (plain_local(o) && o.index < now.assigned.size()) now.assigned[o.index] = true;
  }

  // An `iter` is always reached with the same iterations open.
  std::uint32_t opened(std::size_t i, std::uint32_t around) {
    if (opened_by_.empty()) opened_by_.assign(f_.code.size(), 0);
    if (opened_by_[i] == 0) {
      opened_by_[i] = static_cast<std::uint32_t>(out_.open.size());
      out_.open.push_back({f_.code[i].dst.index, around});
    }
    return opened_by_[i];
  }

  void backward() {
    out_.dead_after.assign(f_.code.size(), false);
    if (out_.temps > 512 || f_.labels.size() * out_.temps > 4'000'000) return;
    std::vector<Bits> at(f_.labels.size(), Bits(out_.temps, false));
    int passes = 0;
    for (bool changed = true; changed; ++passes) {
      if (passes > kMostPasses) return out_.dead_after.assign(f_.code.size(), false);
      changed = false;
      Bits now(out_.temps, false);
      for (std::size_t i = f_.code.size(); i-- > 0;) {
        live_before(i, at, now);
        for (std::uint32_t l = out_.label_at[i]; l < f_.labels.size() && f_.labels[l] == i; ++l) {
          if (at[l] == now) continue;
          at[l] = now;
          changed = true;
        }
      }
    }
  }

  // From the temporaries read after the instruction to those read from it on.
  void live_before(std::size_t i, const std::vector<Bits>& at, Bits& now) {
    const Instr& in = f_.code[i];
    if (core::info(in.op).terminator) now.assign(out_.temps, false);
    if (in.label != core::kNone) {
      for (std::size_t t = 0; t < out_.temps; ++t) now[t] = now[t] || at[in.label][t];
    }
    if ((in.op == Op::jump_if || in.op == Op::jump_not) && arg(in, 0).kind == OperandKind::temp) {
      out_.dead_after[i] = !now[arg(in, 0).index];
    }
    if (in.op == Op::mod && arg(in, 1).kind == OperandKind::temp) {
      bool replaced = in.dst.kind == OperandKind::temp && in.dst.index == arg(in, 1).index;
      out_.dead_after[i] = replaced || !now[arg(in, 1).index];
    }
    if (in.dst.kind == OperandKind::temp && in.op != Op::next) now[in.dst.index] = false;
    for (const Operand& t : targets(in)) {
      if (t.kind == OperandKind::temp) now[t.index] = false;
    }
    for (std::uint32_t k = 0; k < in.count; ++k) {
      if (arg(in, k).kind == OperandKind::temp) now[arg(in, k).index] = true;
    }
  }

  const core::Function& f_;
  Flow& out_;
  std::vector<State> labels_;
  std::vector<std::uint32_t> opened_by_;
  bool only_params_ = false;
};

}  // namespace

Flow analyse(const core::Function& f) {
  Flow out;
  Analysis(f, out).run();
  return out;
}

}  // namespace starlark
