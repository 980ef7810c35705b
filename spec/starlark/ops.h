// SPDX-License-Identifier: Apache-2.0
//
// What the operators do when the VM's quick ways do not apply. On error they set it on the call and
// return no value (or false).
#pragma once

#include "spec/starlark/core.h"
#include "spec/starlark/host.h"

namespace starlark::ops {

Value binary(Call& c, core::Op op, Value a, Value b);  // add … shr, iadd, ior
Value compare(Call& c, core::Op op, Value a, Value b);  // eq … ge
Value contains(Call& c, Value item, Value container);   // a bool
Value unary(Call& c, core::Op op, Value a);             // neg, pos, inv
Value index(Call& c, Value x, Value key);
bool set_index(Call& c, Value x, Value key, Value v);
Value slice(Call& c, Value x, Value lo, Value hi, Value step);
Value attribute(Call& c, Value x, Value name);
bool set_attribute(Call& c, Value x, Value name, Value v);
Value format_percent(Call& c, Value format, Value args);
Value format_percent(Call& c, Value format, std::span<const Value> args);  // args: as a tuple of them
std::vector<std::string_view> attribute_names(Value x);
// list.extend and +=.
bool extend(Call& c, Value list, Value with, std::string_view verb);
bool update_dict(Call& c, Value dict, Value with);
bool insert(Call& c, Value dict, Value key, Value v, bool must_be_new);
// The order that sorted() gives to elements with these keys: stable. False: some have no order, or
// the budget is used up (error set).
bool sort_order(Call& c, std::span<const Value> keys, bool reverse, std::vector<std::uint32_t>& order);
// The elements of any iterable; false: not iterable, or over the budget (error set).
bool collect(Call& c, Value iterable, std::vector<Value>& out);

}  // namespace starlark::ops
