// SPDX-License-Identifier: Apache-2.0
//
// The loop over instructions. Quick ways stand here; whatever is not small ints, lists and strings
// is in ops. `pc` is saved to the frame before anything that can fail, call, or look.
#include "spec/starlark/builtins.h"
#include "spec/starlark/interpret_quick.h"
#include "spec/starlark/ops.h"

namespace starlark {

using core::Op;

// Computed goto: one indirect jump per kind of instruction.
#define NEXT              \
  do {                    \
    ++pc;                 \
    goto* labels[static_cast<int>(pc->op)]; \
  } while (0)
#define GO goto* labels[static_cast<int>(pc->op)]
#define CHECKED(value)             \
  do {                             \
    Value checked_ = (value);      \
    if (!checked_.valid()) goto out; \
    base[pc->a] = checked_;        \
    NEXT;                          \
  } while (0)
#define QUICK(value)                          \
  do {                                        \
    if (Value quick_ = (value); quick_.valid()) { \
      base[pc->a] = quick_;                   \
      NEXT;                                   \
    }                                         \
  } while (0)
// Calls and back edges look at budgets and interruption.
#define POLL_DUE ((--s.steps_left & 1023) == 0 || s.steps_left < 0 || heap.exhausted())
#define SAVE s.frames.back().pc = pc

bool Machine::interpret() {
  static const void* const labels[] = {
#define X(id) &&do_##id,
      STARLARK_VM_OPS(X)
#undef X
  };
  const Lowered* code;
  const Ins* pc;
  Value* base;
  const Value* constants;
  Value* slots;
  Call c = context();

reload:
  if (s.pending != Pending::none || s.frames.empty() || s.frames.back().code == nullptr) return false;
  code = s.frames.back().code;
  pc = s.frames.back().pc;
  base = s.values.data() + s.frames.back().base;
  constants = code->constants.data();
  slots = s.frames.back().fn->module->slots();
  GO;

do_move:
  base[pc->a] = base[pc->b];
  NEXT;
do_load_const:
  base[pc->a] = constants[pc->d];
  NEXT;
do_load_global: {
  Value v = slots[pc->d];
  if (!v.valid()) {
    SAVE;
    const core::Module& m = s.frames.back().fn->module->program().core();
    auto i = static_cast<std::size_t>(pc->d);
    const std::string& name = s.frames.back().fn->module->slot_name(i);
    bool local = i < m.file_local.size() && m.file_local[i];
    fail(Code::unassigned, i >= m.globals.size()
                               ? "the host gives no value for " + name
                               : std::string(local ? "local" : "global") + " variable " + name +
                                     " referenced before assignment");
    return false;
  }
  base[pc->a] = v;
  NEXT;
}
do_store_global:
  slots[pc->d] = base[pc->a];
  NEXT;
do_load_free: {
  FunctionObject* fn = s.frames.back().fn;
  Value v = as<CellObject>(fn->slots()[code->defaults + static_cast<std::uint32_t>(pc->d)])->content;
  if (!v.valid()) {
    SAVE;
    fail(Code::unassigned, "local variable " + code->core->free[static_cast<std::size_t>(pc->d)] +
                               " referenced before assignment");
    return false;
  }
  base[pc->a] = v;
  NEXT;
}
do_load_cell: {
  Value v = as<CellObject>(base[pc->b])->content;
  if (!v.valid()) {
    SAVE;
    fail(Code::unassigned,
         "local variable " + code->core->locals[pc->b].name + " referenced before assignment");
    return false;
  }
  base[pc->a] = v;
  NEXT;
}
do_store_cell:
  as<CellObject>(base[pc->b])->content = base[pc->a];
  NEXT;
do_check_local:
  if (!base[pc->a].valid()) {
    SAVE;
    const std::string& name = code->core->locals[pc->a].name;
    fail(Code::unassigned, "local variable " + name.substr(0, name.find('@')) +
                               " referenced before assignment");
    return false;
  }
  NEXT;

do_add: {
  Value x = base[pc->b], y = base[pc->c];
  QUICK(quick_add(x, y));
  QUICK(quick_concat(heap, x, y));
  SAVE;
  CHECKED(ops::binary(c, static_cast<Op>(pc->d), x, y));
}
do_add_own: {
  Value x = base[pc->b], y = base[pc->c];
  QUICK(quick_add(x, y));
  if (quick_grow(heap, base[pc->a], y)) NEXT;
  SAVE;
  CHECKED(ops::binary(c, static_cast<Op>(pc->d), x, y));
}
do_share: {
  Value x = base[pc->a];
  if (is_string(x) && (x.object()->flags & StringObject::kOwn) != 0) {
    x.object()->flags &= static_cast<std::uint8_t>(~StringObject::kOwn);
  }
  NEXT;
}
do_add_int:
  QUICK(quick_add_int(base[pc->b], pc->d));
  SAVE;
  CHECKED(ops::binary(c, static_cast<Op>(pc->e), base[pc->b], Value::small_int(pc->d)));
do_sub_int:
  QUICK(quick_add_int(base[pc->b], -std::int64_t{pc->d}));
  SAVE;
  CHECKED(ops::binary(c, Op::sub, base[pc->b], Value::small_int(pc->d)));
#define ARITHMETIC(id)                                 \
  do_##id: {                                           \
    Value x = base[pc->b], y = base[pc->c];            \
    QUICK(quick_##id(x, y));                           \
    SAVE;                                              \
    CHECKED(ops::binary(c, Op::id, x, y));             \
  }
  ARITHMETIC(sub)
  ARITHMETIC(mul)
  ARITHMETIC(floordiv)
  ARITHMETIC(mod)
do_format: {
  SAVE;
  const std::int32_t* l = code->lists.data() + pc->d;
  Value args[kFormatOperands], x = base[pc->b];
  for (int i = 0; i < pc->c; ++i) args[i] = l[i] >= 0 ? base[l[i]] : constants[~l[i]];
  std::span<const Value> given(args, pc->c);
  if (is_string(x)) CHECKED(ops::format_percent(c, x, given));
  CHECKED(ops::binary(c, Op::mod, x, heap.tuple(given)));
}
do_binary:
  SAVE;
  CHECKED(ops::binary(c, static_cast<Op>(pc->d), base[pc->b], base[pc->c]));

#define COMPARE(id, sign)                                                                   \
  do_##id: {                                                                                \
    Value x = base[pc->b], y = base[pc->c];                                                 \
    if (both_small(x, y)) {                                                                 \
      base[pc->a] = Value::boolean(static_cast<std::int64_t>(x.bits()) sign                 \
                                   static_cast<std::int64_t>(y.bits()));                    \
      NEXT;                                                                                 \
    }                                                                                       \
    SAVE;                                                                                   \
    CHECKED(ops::compare(c, Op::id, x, y));                                                 \
  }                                                                                         \
  do_jump_##id: {                                                                           \
    Value x = base[pc->b], y = base[pc->c];                                                 \
    bool holds;                                                                             \
    if (both_small(x, y)) {                                                                 \
      holds = static_cast<std::int64_t>(x.bits()) sign static_cast<std::int64_t>(y.bits()); \
    } else {                                                                                \
      SAVE;                                                                                 \
      Value r = ops::compare(c, Op::id, x, y);                                              \
      if (!r.valid()) goto out;                                                             \
      holds = r.is_true();                                                                  \
    }                                                                                       \
    if (holds == (pc->a != 0)) goto take_jump;                                              \
    NEXT;                                                                                   \
  }
  COMPARE(eq, ==)
  COMPARE(ne, !=)
  COMPARE(lt, <)
  COMPARE(le, <=)
  COMPARE(gt, >)
  COMPARE(ge, >=)

take_jump: {
  const Ins* target = code->code.data() + pc->d;
  if (target <= pc && POLL_DUE) {
    SAVE;
    if (!poll()) return false;
  }
  pc = target;
  GO;
}

do_op_not:
  base[pc->a] = Value::boolean(!quick_truth(base[pc->b]));
  NEXT;
do_unary:
  SAVE;
  CHECKED(ops::unary(c, static_cast<Op>(pc->d), base[pc->b]));
do_contains: {
  SAVE;
  Value r = ops::contains(c, base[pc->b], base[pc->c]);
  if (!r.valid()) goto out;
  base[pc->a] = Value::boolean(r.is_true() != (pc->e != 0));
  NEXT;
}
do_attr: {
  Value x = base[pc->b], name = constants[pc->d];
  QUICK(quick_field(x, name, pc));
  SAVE;
  CHECKED(ops::attribute(c, x, name));
}
do_check_attr: {
  const Site& site = code->sites[static_cast<std::size_t>(pc->d)];
  if (site.methods[static_cast<int>(kind_of(base[pc->a]))] != nullptr) NEXT;
  SAVE;
  if (!ops::attribute(c, base[pc->a], site.method).valid()) goto out;
  NEXT;
}
do_set_attr:
  SAVE;
  if (!ops::set_attribute(c, base[pc->a], constants[pc->d], base[pc->b])) goto out;
  NEXT;
do_index: {
  Value x = base[pc->b], i = base[pc->c];
  QUICK(quick_index(x, i));
  SAVE;
  CHECKED(ops::index(c, x, i));
}
do_set_index:
  if (quick_set_index(heap, base[pc->a], base[pc->b], base[pc->c])) NEXT;
  SAVE;
  if (!ops::set_index(c, base[pc->a], base[pc->b], base[pc->c])) goto out;
  NEXT;
do_slice: {
  SAVE;
  const std::int32_t* l = code->lists.data() + pc->d;
  auto at = [&](int i) { return l[i] >= 0 ? base[l[i]] : constants[~l[i]]; };
  CHECKED(ops::slice(c, at(0), at(1), at(2), at(3)));
}
do_tuple:
do_list: {
  SAVE;
  const std::int32_t* l = code->lists.data() + pc->d;
  auto n = static_cast<std::size_t>(pc->e);
  Value v = pc->op == VmOp::list ? new_list(heap, n) : new_tuple(heap, n);
  if (!v.valid()) {
    c.refuse(Refused::memory, "", Value::none());
    goto out;
  }
  Value* to = pc->op == VmOp::list ? as<ListObject>(v)->items : as<TupleObject>(v)->items();
  for (std::size_t i = 0; i < n; ++i) to[i] = l[i] >= 0 ? base[l[i]] : constants[~l[i]];
  if (pc->op == VmOp::list) as<ListObject>(v)->size = static_cast<std::uint32_t>(n);
  base[pc->a] = v;
  NEXT;
}
do_list_to_tuple:
  SAVE;
  if (!is_kind(base[pc->b], Kind::list)) {
    fail(Code::type, "not a list");
    return false;
  }
  base[pc->a] = heap.tuple(elements(base[pc->b]));
  NEXT;
do_dict:
  base[pc->a] = new_table(heap, Kind::dict);
  NEXT;
do_append: {
  SAVE;
  Value l = base[pc->a];
  Refused r = is_kind(l, Kind::list) ? heap.append(l, base[pc->b]) : Refused::frozen;
  if (r != Refused::no) {
    c.refuse(r, "append to", l);
    goto out;
  }
  NEXT;
}
do_insert:
do_insert_new:
  SAVE;
  if (!is_kind(base[pc->a], Kind::dict)) {
    c.refuse(Refused::frozen, "insert into", base[pc->a]);
    goto out;
  }
  if (!ops::insert(c, base[pc->a], base[pc->b], base[pc->c], pc->op == VmOp::insert_new)) goto out;
  NEXT;
do_func: {
  const Lowered::Made& made = code->made[static_cast<std::size_t>(pc->d)];
  const std::int32_t* l = code->lists.data() + pc->e;
  std::size_t defaults = pc->b, n = defaults + made.free.size();
  auto* f = static_cast<FunctionObject*>(heap.allocate(sizeof(FunctionObject) + n * sizeof(Value)));
  init(f, Kind::function, heap.region());
  f->code = made.code;
  f->module = s.frames.back().fn->module;
  for (std::size_t i = 0; i < defaults; ++i) f->slots()[i] = l[i] >= 0 ? base[l[i]] : constants[~l[i]];
  FunctionObject* own = s.frames.back().fn;
  for (std::size_t i = 0; i < made.free.size(); ++i) {
    std::int32_t from = made.free[i];
    f->slots()[defaults + i] =
        from >= 0 ? base[from] : own->slots()[code->defaults + static_cast<std::uint32_t>(~from)];
  }
  base[pc->a] = Value::of(f);
  NEXT;
}

do_call:
do_call_method:
do_call_any: {
  SAVE;
  s.frames.back().ret = pc->a;
  const Site& site = code->sites[static_cast<std::size_t>(pc->d)];
  if (POLL_DUE && !poll()) return false;
  const std::size_t depth = s.frames.size();
  std::size_t top = s.frames.back().base + code->registers;
  call_site(*code, site, base, top);
  // A result given at once is in its register; a new frame starts at its first instruction.
  if (s.pending != Pending::none) return false;
  if (s.frames.size() != depth) goto reload;
  base = s.values.data() + s.frames.back().base;
  NEXT;
}

do_unpack: {
  SAVE;
  Value v = base[pc->a];
  const std::int32_t* l = code->lists.data() + pc->d;
  auto n = static_cast<std::size_t>(pc->e);
  std::size_t got = 0;
  if (is_kind(v, Kind::tuple) || is_kind(v, Kind::list)) {
    auto items = elements(v);
    got = items.size();
    for (std::size_t i = 0; i < n && got == n; ++i) base[l[i]] = items[i];
  } else {
    Iterate it(heap, v);
    if (!it.ok()) {
      fail(Code::type, "got " + std::string(type_name(v)) + " in sequence assignment");
      return false;
    }
    Value item;
    while (got <= n && it.next(item)) {
      if (got < n) base[l[got]] = item;
      ++got;
    }
  }
  if (got != n) {
    std::string counts = " (got " + std::to_string(got) + ", want " + std::to_string(n) + ")";
    fail(Code::unpack, (got < n ? "too few values to unpack" : "too many values to unpack") + counts);
    return false;
  }
  NEXT;
}
do_iter: {
  SAVE;
  Value v = base[pc->b];
  if (!is_iterable(v)) {
    fail(Code::type, std::string(type_name(v)) + " value is not iterable");
    return false;
  }
  Value* it = base + pc->a;
  it[0] = v;
  it[1] = it[2] = Value();
  it[3] = Value::boolean(hold(heap, v));
  NEXT;
}
do_next_loop:
do_next: {
  const Ins* in = pc;
  Value* it = base + in->b;
  Value v = it[0];
  bool more;
  Value item;
  if (is_kind(v, Kind::range)) {
    auto* r = as<RangeObject>(v);
    std::int64_t i = it[1].valid() ? it[1].small() : 0;
    more = i < r->length;
    if (more) {
      it[1] = Value::small_int(i + 1);
      item = quick_integer(heap, r->start + i * r->step);
    }
  } else if (is_kind(v, Kind::list)) {
    auto* l = as<ListObject>(v);
    std::int64_t i = it[1].valid() ? it[1].small() : 0;
    more = i < l->size;
    if (more) {
      it[1] = Value::small_int(i + 1);
      item = l->items[i];
    }
  } else {
    SAVE;
    IterState state{it[1], it[2]};
    more = iterate(heap, v, state, item);
    it[1] = state.a;
    it[2] = state.b;
  }
  if (in->op == VmOp::next) {
    if (!more) {
      pc = code->code.data() + in->d;
      GO;
    }
    base[in->a] = item;
    NEXT;
  }
  if (!more) NEXT;
  base[in->a] = item;
  if (POLL_DUE) {
    SAVE;
    if (!poll()) return false;
  }
  pc = code->code.data() + in->d;
  GO;
}
do_end_iter: {
  Value* it = base + pc->a;
  if (it[3].is_true()) release(it[0]);
  it[3] = Value::boolean(false);
  NEXT;
}
do_jump:
  pc = code->code.data() + pc->d;
  GO;
do_jump_back:
  if (POLL_DUE) {
    SAVE;
    if (!poll()) return false;
  }
  pc = code->code.data() + pc->d;
  GO;
do_jump_if:
  if (quick_truth(base[pc->a])) goto take_jump;
  NEXT;
do_jump_not:
  if (!quick_truth(base[pc->a])) goto take_jump;
  NEXT;
do_ret:
do_ret_const: {
  Value v = pc->op == VmOp::ret ? base[pc->a] : constants[pc->d];
  Frame& f = s.frames.back();
  f.pc = pc;
  if (!code->iterations.empty()) release_iterations(f);
  --s.active[code->id & 63];
  s.frames.pop_back();
  if (!s.frames.empty() && s.frames.back().code != nullptr) [[likely]] {
    Frame& caller = s.frames.back();
    code = caller.code;
    pc = caller.pc;
    base = s.values.data() + caller.base;
    constants = code->constants.data();
    slots = caller.fn->module->slots();
    base[caller.ret] = v;
    NEXT;
  }
  deliver(v);
  if (s.pending != Pending::none || s.frames.empty() || s.frames.back().code == nullptr) return false;
  goto reload;
}
do_load: {
  SAVE;
  if (!load(*code, *pc, base)) goto out;
  NEXT;
}

out:
  if (s.pending == Pending::none) fail(Code::host, "internal: an operation failed without an error");
  return false;
}

#undef NEXT
#undef GO
#undef CHECKED
#undef SAVE
#undef COMPARE
#undef QUICK
#undef ARITHMETIC

}  // namespace starlark
