// SPDX-License-Identifier: Apache-2.0
//
// The dialect's built-ins, by family. Every starlark::Builtin in these lists has its Signature as
// data(). dialect.cc puts them under their names.
//
// Thread rule: constants.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "spec/model/signature.h"
#include "spec/starlark/host.h"

namespace fbx::model {

[[nodiscard]] std::span<const starlark::Builtin> topology_builtins();     // service() …
[[nodiscard]] std::span<const starlark::Builtin> composition_builtins();  // fault_matrix() …
[[nodiscard]] std::span<const starlark::Builtin> action_builtins();       // deny() …
[[nodiscard]] std::span<const starlark::Builtin> fault_builtins();        // fault() …
[[nodiscard]] std::span<const starlark::Builtin> network_builtins();      // partition() …
[[nodiscard]] std::span<const starlark::Builtin> assertion_builtins();    // assert_eq() …
[[nodiscard]] std::span<const starlark::Builtin> look_back_builtins();    // assert_never() …
[[nodiscard]] std::span<const starlark::Builtin> expectation_builtins();  // expect_success() …
[[nodiscard]] std::span<const starlark::Builtin> process_builtins();      // exec() …
[[nodiscard]] std::span<const starlark::Builtin> output_builtins();       // decoder() …
[[nodiscard]] std::span<const starlark::Builtin> retry_builtins();        // eventually()

// All of the above.
using BuiltinFamilies = std::array<std::span<const starlark::Builtin>, 11>;
[[nodiscard]] BuiltinFamilies builtin_families();

// The built-in that the cells of a matrix call; no spec can name it.
[[nodiscard]] const starlark::Builtin& cell_builtin();

// Steps: the method of that name that an interface of this protocol has, or nullptr.
[[nodiscard]] const starlark::Builtin* step_method(plan::Protocol protocol, std::string_view name);
[[nodiscard]] std::span<const starlark::Builtin> stream_methods();      // tcp, unix
[[nodiscard]] std::span<const starlark::Builtin> udp_methods();
[[nodiscard]] std::span<const starlark::Builtin> connection_methods();  // of what connect() gives
[[nodiscard]] std::vector<std::string_view> step_method_names(plan::Protocol protocol);

// The signature of a built-in of the dialect; nullptr for those of the language itself.
[[nodiscard]] const Signature* signature_of(const starlark::Builtin& builtin);

// A made value: binds, then makes. The function of every built-in whose Signature has `make`.
starlark::Value make_builtin(starlark::Call& c);

// ---- arguments as C++ values; they were checked by bind()

[[nodiscard]] std::string string_arg(const Bound& b, size_t i, std::string_view fallback = "");
[[nodiscard]] bool bool_arg(const Bound& b, size_t i, bool fallback);
[[nodiscard]] int64_t int_arg(const Bound& b, size_t i, int64_t fallback);
[[nodiscard]] int64_t duration_arg(const Bound& b, size_t i, int64_t fallback);
[[nodiscard]] std::vector<std::string> strings_of(starlark::Value list);
[[nodiscard]] std::vector<std::string> strings_arg(const Bound& b, size_t i);
// Of a dict of strings and ints.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> pairs_arg(const Bound& b, size_t i);
// A service or a list of them.
[[nodiscard]] std::vector<uint32_t> services_arg(const Bound& b, size_t i);
// Service, interface or string, as "svc", "svc.interface" or "host:port".
[[nodiscard]] std::string peer_arg(const Bound& b, size_t i);

}  // namespace fbx::model
