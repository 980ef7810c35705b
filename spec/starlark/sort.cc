// SPDX-License-Identifier: Apache-2.0
//
// The order of sorted(). Keys are compared by a rank first: as much of a key as 64 bits hold, which
// is all of a small int, and of strings what comes after the beginning that they have in common.
#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "spec/starlark/objects.h"
#include "spec/starlark/ops.h"
#include "spec/starlark/values.h"

namespace starlark::ops {
namespace {

struct Ranked {
  std::uint64_t rank;
  std::uint32_t at;  // among the keys
};

std::string_view text(Value v) { return as<StringObject>(v)->view(); }

std::size_t common_beginning(std::span<const Value> strings) {
  std::string_view common = text(strings[0]);
  for (Value v : strings) {
    std::string_view s = text(v);
    std::size_t n = std::min(common.size(), s.size()), i = 0;
    while (i < n && s[i] == common[i]) ++i;
    common = common.substr(0, i);
  }
  return common.size();
}

// Eight bytes from `from` on, the first one highest, as if zeros followed the end.
std::uint64_t eight_bytes(std::string_view s, std::size_t from) {
  std::uint64_t out = 0;
  for (std::size_t i = from; i < from + 8; ++i) {
    out = out << 8 | (i < s.size() ? static_cast<unsigned char>(s[i]) : 0u);
  }
  return out;
}

template <class Rank, class Tie>
void sort_by(std::vector<Ranked>& items, bool reverse, Rank rank, Tie tie) {
  for (std::uint32_t i = 0; i < items.size(); ++i) items[i] = {reverse ? ~rank(i) : rank(i), i};
  auto less = [&](const Ranked& a, const Ranked& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    return reverse ? tie(b.at, a.at) : tie(a.at, b.at);
  };
  if (!std::is_sorted(items.begin(), items.end(), less)) {
    std::stable_sort(items.begin(), items.end(), less);
  }
}

void sort_ints(std::span<const Value> keys, bool reverse, std::vector<Ranked>& items) {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  sort_by(items, reverse, [&](std::uint32_t i) { return keys[i].bits() ^ kSign; },
          [](std::uint32_t, std::uint32_t) { return false; });
}

void sort_strings(std::span<const Value> keys, bool reverse, std::vector<Ranked>& items) {
  const std::size_t skip = common_beginning(keys);
  sort_by(items, reverse, [&](std::uint32_t i) { return eight_bytes(text(keys[i]), skip); },
          [&](std::uint32_t a, std::uint32_t b) { return text(keys[a]) < text(keys[b]); });
}

bool sort_others(Call& c, std::span<const Value> keys, bool reverse, std::vector<Ranked>& items) {
  for (std::uint32_t i = 0; i < items.size(); ++i) items[i] = {0, i};
  std::optional<Error> why;
  std::uint64_t work = 0;
  bool fine = true;
  std::stable_sort(items.begin(), items.end(), [&](const Ranked& a, const Ranked& b) {
    if (!fine) return false;
    auto order = starlark::compare(keys[reverse ? b.at : a.at], keys[reverse ? a.at : b.at], &work);
    if (work >= 4096) fine = c.charge(std::exchange(work, 0) / 8);
    if (!order && fine) why = order.error();
    fine = fine && order;
    return fine && *order < 0;
  });
  if (why) c.fail(*why);
  return fine;
}

}  // namespace

bool sort_order(Call& c, std::span<const Value> keys, bool reverse, std::vector<std::uint32_t>& order) {
  if (!c.charge(keys.size()) || !c.need_bytes(keys.size() * 2 * sizeof(Ranked))) return false;
  std::vector<Ranked> items(keys.size());
  auto all = [&](auto what) { return std::all_of(keys.begin(), keys.end(), what); };
  if (all([](Value v) { return v.is_small_int(); })) {
    sort_ints(keys, reverse, items);
  } else if (all(is_string)) {
    sort_strings(keys, reverse, items);
  } else if (!sort_others(c, keys, reverse, items)) {
    return false;
  }
  order.reserve(items.size());
  for (const Ranked& r : items) order.push_back(r.at);
  return true;
}

}  // namespace starlark::ops
