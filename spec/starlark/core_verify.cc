// SPDX-License-Identifier: Apache-2.0
//
// Two parts: each instruction by itself, then what holds along every path (temporaries, iterations).
#include "spec/starlark/core_verify.h"

#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "spec/starlark/builtins.h"
#include "spec/starlark/unicode.h"

namespace starlark::core {
namespace {

using Index = std::unordered_map<std::string_view, const Function*>;

// A name as source could have it, with the "@n" that comprehension variables get.
bool is_name(std::string_view s, bool ordinal) {
  if (s.empty()) return false;
  bool first = true;
  while (!s.empty()) {
    if (ordinal && s[0] == '@' && !first) {
      s.remove_prefix(1);
      return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
    }
    std::int32_t c;
    if (!decode_strict(s, c)) return false;
    if (c != '_' && !is_letter(c) && (first || !is_digit(c))) return false;
    first = false;
  }
  return true;
}

class FunctionCheck {
 public:
  FunctionCheck(const Module& m, const Function& f, const Index& functions,
                const std::unordered_set<std::string_view>& globals,
                const std::function<bool(std::string_view)>& predeclared, const Bounds& bounds)
      : m_(m), f_(f), functions_(functions), globals_(globals), predeclared_(predeclared),
        bounds_(bounds) {}

  std::vector<Diagnostic> run() {
    header();
    if (out_.empty()) instructions();
    if (out_.empty()) flow();
    return std::move(out_);
  }

 private:
  void fail(std::string message) {
    if (out_.size() >= 5) return;
    Diagnostic d;
    d.file = m_.file;
    d.code = Code::core_invalid;
    d.message = "function \"" + f_.key + "\": " + std::move(message);
    if (at_ < f_.code.size()) {
      d.line = static_cast<int>(at_) + 1;
      for (std::uint32_t l : f_.labels) d.line += l <= at_ ? 1 : 0;
    }
    out_.push_back(std::move(d));
  }

  void header() {
    at_ = f_.code.size();
    if (f_.params.size() > f_.locals.size()) return fail("more parameters than locals");
    if (f_.key.empty() && !f_.params.empty()) fail("the module's own code takes no parameters");
    std::unordered_set<std::string_view> seen;
    for (const Local& l : f_.locals) {
      if (!is_name(l.name, true)) fail("\"" + l.name + "\" is no name of a variable");
      if (!seen.insert(l.name).second) fail("local \"" + l.name + "\" twice");
    }
    for (const std::string& name : f_.free) {
      if (!is_name(name, true)) fail("bad name of a free variable");
      if (!seen.insert(name).second) fail("variable \"" + name + "\" twice");
    }
    int stage = 0;
    for (const Param& p : f_.params) {
      int now = p.kind == ParamKind::normal         ? 0
                : p.kind == ParamKind::star         ? 1
                : p.kind == ParamKind::keyword_only ? 2
                                                    : 3;
      bool once = p.kind == ParamKind::star || p.kind == ParamKind::star_star;
      if (now < stage || (once && now == stage && now != 0)) fail("parameters out of order");
      if (once && p.has_default) fail("a * parameter has no default");
      stage = now;
    }
    bool optional = false;
    for (const Param& p : f_.params) {
      if (p.kind != ParamKind::normal) break;
      if (optional && !p.has_default) fail("a required parameter follows an optional one");
      optional = p.has_default;
    }
    for (const Constant& c : f_.constants) constant(c);
    if (f_.code.empty() || !info(f_.code.back().op).terminator) {
      if (!f_.code.empty()) at_ = f_.code.size() - 1;
      fail("the last instruction is neither return nor jump");
      at_ = f_.code.size();
    }
    std::uint32_t before = 0;
    for (std::uint32_t l : f_.labels) {
      if (l >= f_.code.size() || l < before) fail("a label is not before an instruction");
      before = l;
    }
  }

  void constant(const Constant& c) {
    if (c.kind == ConstantKind::floating && !std::isfinite(c.f)) fail("a float that is not finite");
    if (c.kind != ConstantKind::big) return;
    std::string_view digits = c.s;
    if (digits.starts_with('-')) digits.remove_prefix(1);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos ||
        digits.size() > 1'000'000) {
      fail("malformed integer");
    }
  }

  void instructions() {
    for (at_ = 0; at_ < f_.code.size(); ++at_) instruction(f_.code[at_]);
    if (temps_ + f_.locals.size() > bounds_.slots) fail("too many variables");
  }

  void instruction(const Instr& in) {
    if (static_cast<std::size_t>(in.op) >= all_ops().size()) return fail("unknown operation");
    const OpInfo& op = info(in.op);
    std::uint64_t total = std::uint64_t{in.count} + in.targets;
    if (in.first + total > f_.operands.size()) return fail("operands out of range");
    if (total > bounds_.operands) return fail("too many operands");
    if (op.operands >= 0 && in.count != static_cast<std::uint32_t>(op.operands)) {
      return fail("wrong number of operands");
    }
    if ((op.results == 1) != (in.dst.kind != OperandKind::none) ||
        (op.results != 2 && in.targets > 0)) {
      return fail("wrong number of results");
    }
    bool may_name = op.has_name || in.op == Op::call;
    if ((in.name != kNone && (!may_name || in.name >= f_.names.size())) ||
        (op.has_name && in.name == kNone)) {
      return fail("wrong name");
    }
    if (op.has_label != (in.label != kNone) || (op.has_label && in.label >= f_.labels.size())) {
      return fail("wrong label");
    }
    for (std::uint32_t i = 0; i < in.count; ++i) operand(f_.operands[in.first + i]);
    for (std::uint32_t i = 0; i < in.targets; ++i) target(f_.operands[in.first + in.count + i]);
    if (op.results == 1) target(in.dst);
    if (out_.empty()) special(in);
  }

  void operand(const Operand& o) {
    switch (o.kind) {
      case OperandKind::none: return fail("missing operand");
      case OperandKind::local:
        if (o.index >= f_.locals.size()) fail("no such local");
        break;
      case OperandKind::free:
        if (o.index >= f_.free.size()) fail("no such free variable");
        break;
      case OperandKind::global:
        if (o.index >= f_.names.size() || !globals_.contains(f_.names[o.index])) {
          fail("no such global");
        }
        break;
      case OperandKind::predeclared:
        if (o.index >= f_.names.size() || !known(f_.names[o.index])) {
          fail("unknown name \"" + (o.index < f_.names.size() ? f_.names[o.index] : "") + "\"");
        }
        break;
      case OperandKind::temp:
        if (o.index > bounds_.slots) fail("temporary out of range");
        temps_ = std::max<std::size_t>(temps_, o.index + std::size_t{1});
        break;
      case OperandKind::constant:
        if (o.index >= f_.constants.size()) fail("no such constant");
        break;
    }
  }

  bool known(std::string_view name) const {
    return universal(name).valid() || (predeclared_ && predeclared_(name));
  }

  void target(const Operand& o) {
    if (o.kind != OperandKind::local && o.kind != OperandKind::global &&
        o.kind != OperandKind::temp) {
      return fail("a result must be a local, a global or a temporary");
    }
    if (o.kind == OperandKind::global && !f_.key.empty()) {
      return fail("a function assigns to a global");
    }
    operand(o);
  }

  void special(const Instr& in) {
    auto arg = [&](std::uint32_t i) -> const Operand& { return f_.operands[in.first + i]; };
    if (in.op != Op::call) {
      bool spread = in.op == Op::tuple && in.count == 1 && arg(0).role == Role::star;
      for (std::uint32_t i = 0; i < in.count && !spread; ++i) {
        if (arg(i).role != Role::positional) fail("only a call takes keywords, * and **");
      }
    }
    if (in.op == Op::call) call_operands(in);
    if ((in.op == Op::attr || in.op == Op::check_attr || in.op == Op::set_attr || in.op == Op::call) &&
        in.name != kNone &&
        !is_name(f_.names[in.name], false)) {
      fail("bad attribute name");
    }
    if (in.op == Op::func) made_function(in);
    if (in.op == Op::load) {
      if (!f_.key.empty()) fail("load outside the module's own code");
      if (in.count != in.targets || in.count == 0) fail("load needs as many names as results");
      for (std::uint32_t i = 0; i < in.count; ++i) {
        if (arg(i).kind != OperandKind::constant ||
            f_.constants[arg(i).index].kind != ConstantKind::string) {
          fail("load takes constant names");
        }
      }
    }
    // Backward it would be a loop whose steps nobody counts.
    if (in.op == Op::next && f_.labels[in.label] <= at_) fail("next jumps forward only");
    if (in.op == Op::next || in.op == Op::end) {
      if (arg(0).kind != OperandKind::temp) fail("an iteration is a temporary");
    }
    if (in.op == Op::iter && in.dst.kind != OperandKind::temp) fail("an iteration is a temporary");
  }

  void call_operands(const Instr& in) {
    if (in.count == 0 || f_.operands[in.first].role != Role::positional) {
      return fail("a call needs what is called");
    }
    Role last = Role::positional;
    std::unordered_set<std::string_view> keywords;
    for (std::uint32_t i = 1; i < in.count; ++i) {
      const Operand& o = f_.operands[in.first + i];
      bool again = o.role == last && (last == Role::star || last == Role::star_star);
      if (o.role < last || again) return fail("arguments out of order");
      last = o.role;
      if (o.role != Role::keyword) continue;
      if (o.name >= f_.names.size() || !is_name(f_.names[o.name], false) ||
          !keywords.insert(f_.names[o.name]).second) {
        return fail("a bad keyword, or one that is given twice");
      }
    }
  }

  void made_function(const Instr& in) {
    auto found = functions_.find(f_.names[in.name]);
    if (found == functions_.end() || found->second->key.empty()) {
      return fail("no function \"" + f_.names[in.name] + "\"");
    }
    const Function& g = *found->second;
    std::size_t defaults = 0;
    for (const Param& p : g.params) defaults += p.has_default ? 1 : 0;
    if (defaults != in.count) fail("\"" + g.key + "\" has " + std::to_string(defaults) + " defaults, got " + std::to_string(in.count));
    for (const std::string& name : g.free) {
      bool here = false;
      for (const Local& l : f_.locals) here = here || (l.cell && l.name == name);
      for (const std::string& own : f_.free) here = here || own == name;
      if (!here) return fail("free variable \"" + name + "\" of \"" + g.key + "\" is not here");
    }
  }

  // ---- along paths

  struct State {
    std::vector<bool> defined;
    std::vector<std::uint32_t> iterating;
    bool known = false;
  };

  void flow() {
    // Both here and when lowered, a label has a bit for each.
    if (f_.labels.size() * ((temps_ + f_.locals.size()) / 8 + 1) > (64u << 20)) {
      at_ = f_.code.size();
      return fail("too many labels");
    }
    labels_.assign(f_.labels.size(), {});
    for (bool again = true; again && out_.empty();) again = pass();
  }

  bool pass() {
    bool changed = false;
    State now;
    now.defined.assign(temps_, false);
    now.known = true;
    std::size_t label = 0;
    for (at_ = 0; at_ < f_.code.size() && out_.empty(); ++at_) {
      for (; label < f_.labels.size() && f_.labels[label] == at_; ++label) {
        if (now.known) changed |= join(labels_[label], now);
        now = labels_[label];
      }
      if (!now.known) continue;
      const Instr& in = f_.code[at_];
      step(in, now);
      if (in.label != kNone) {
        bool forward = f_.labels[in.label] > at_;
        bool grew = join(labels_[in.label], now);
        changed |= grew && !forward;
      }
      if (in.op == Op::next) define(in.dst, now);
      if (info(in.op).terminator) now.known = false;
    }
    return changed;
  }

  bool join(State& at, const State& from) {
    if (!at.known) {
      at = from;
      return true;
    }
    if (at.iterating != from.iterating) {
      fail("a label is reached with different iterations open");
      return false;
    }
    bool changed = false;
    for (std::size_t i = 0; i < temps_; ++i) {
      if (at.defined[i] && !from.defined[i]) {
        at.defined[i] = false;
        changed = true;
      }
    }
    return changed;
  }

  static bool open(const State& s, std::uint32_t temp) {
    for (std::uint32_t t : s.iterating) {
      if (t == temp) return true;
    }
    return false;
  }

  void define(const Operand& o, State& now) {
    if (o.kind != OperandKind::temp) return;
    if (open(now, o.index)) return fail("an open iteration is overwritten");
    now.defined[o.index] = true;
  }

  void step(const Instr& in, State& now) {
    bool takes_iteration = in.op == Op::next || in.op == Op::end;
    for (std::uint32_t i = 0; i < in.count; ++i) {
      const Operand& o = f_.operands[in.first + i];
      if (o.kind != OperandKind::temp) continue;
      if (takes_iteration) {
        if (now.iterating.empty() || now.iterating.back() != o.index) {
          fail("%" + std::to_string(o.index) + " is not the innermost open iteration");
        }
      } else if (open(now, o.index)) {
        fail("an iteration is no value");
      } else if (!now.defined[o.index]) {
        fail("%" + std::to_string(o.index) + " is read before it is written");
      }
    }
    if (!out_.empty()) return;
    if (in.op == Op::end) now.iterating.pop_back();
    for (std::uint32_t i = 0; i < in.targets; ++i) define(f_.operands[in.first + in.count + i], now);
    if (in.op == Op::iter) {
      if (open(now, in.dst.index)) return fail("an open iteration is overwritten");
      if (now.iterating.size() >= 1000) return fail("too many open iterations");
      now.iterating.push_back(in.dst.index);
      now.defined[in.dst.index] = false;
    } else if (in.op != Op::next) {
      define(in.dst, now);
    }
  }

  const Module& m_;
  const Function& f_;
  const Index& functions_;
  const std::unordered_set<std::string_view>& globals_;
  const std::function<bool(std::string_view)>& predeclared_;
  const Bounds& bounds_;
  std::vector<Diagnostic> out_;
  std::size_t at_ = 0;
  std::size_t temps_ = 0;
  std::vector<State> labels_;
};

}  // namespace

std::expected<void, std::vector<Diagnostic>> verify(
    const Module& module, const std::function<bool(std::string_view)>& predeclared,
    const Bounds& bounds) {
  std::vector<Diagnostic> out;
  auto refuse = [&](std::string message) {
    Diagnostic d;
    d.file = module.file;
    d.code = Code::core_invalid;
    d.message = std::move(message);
    out.push_back(std::move(d));
  };
  Index functions;
  std::size_t instructions = 0, bytes = 0;
  for (const Function& f : module.functions) {
    if (!functions.emplace(f.key, &f).second) refuse("function \"" + f.key + "\" twice");
    instructions += f.code.size() + f.operands.size() + f.names.size() + f.constants.size();
    for (const Constant& c : f.constants) bytes += c.s.size();
    for (const std::string& n : f.names) bytes += n.size();
  }
  if (module.functions.size() > bounds.functions) refuse("too many functions");
  if (instructions > bounds.instructions * 4) refuse("too many instructions");
  if (bytes > bounds.constant_bytes) refuse("too many bytes of constants");
  std::unordered_set<std::string_view> globals;
  for (const std::string& g : module.globals) {
    if (!is_name(g, false)) refuse("bad global name");
    if (!globals.insert(g).second) refuse("global \"" + g + "\" twice");
  }
  if (out.empty()) {
    for (const Function& f : module.functions) {
      for (Diagnostic& d : FunctionCheck(module, f, functions, globals, predeclared, bounds).run()) {
        if (out.size() < 20) out.push_back(std::move(d));
      }
    }
  }
  if (out.empty()) return {};
  return std::unexpected(std::move(out));
}

}  // namespace starlark::core
