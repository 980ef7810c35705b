// SPDX-License-Identifier: Apache-2.0
//
// Hash tables that keep the order of insertion: an array of entries, and, from nine entries on, an
// open-addressing index into it.
#include <algorithm>
#include <bit>

#include "spec/starlark/objects.h"
#include "spec/starlark/values.h"

namespace starlark {
namespace {

constexpr std::uint32_t kUnindexed = 8;
constexpr std::uint32_t kMaxEntries = 100'000'000;

Refused same_key(Value a, Value b, bool& same) {
  if (a.same(b)) {
    same = true;
    return Refused::no;
  }
  if (is_string(a) && is_string(b)) {
    same = same_string(as<StringObject>(a), as<StringObject>(b));
    return Refused::no;
  }
  auto result = equal(a, b);
  same = result.value_or(false);
  return result ? Refused::no : Refused::too_deep;
}

void fill_index(TableObject* t) {
  std::fill(t->index, t->index + t->mask + 1, 0u);
  for (std::uint32_t i = 0; i < t->used; ++i) {
    if (!t->entries[i].key.valid()) continue;
    std::uint32_t at = t->entries[i].hash & t->mask;
    while (t->index[at] != 0) at = (at + 1) & t->mask;
    t->index[at] = i + 1;
  }
}

bool regrow(Heap& heap, TableObject* t, std::size_t wanted) {
  std::size_t bytes = std::max<std::size_t>(wanted, 4) * sizeof(TableEntry);
  auto* entries = static_cast<TableEntry*>(heap.take_buffer(bytes));
  if (entries == nullptr) return false;
  auto capacity = static_cast<std::uint32_t>(bytes / sizeof(TableEntry));
  std::uint32_t n = 0;
  for (std::uint32_t i = 0; i < t->used; ++i) {
    if (t->entries[i].key.valid()) entries[n++] = t->entries[i];
  }
  if (capacity > kUnindexed) {
    std::size_t size = std::bit_ceil(capacity + capacity / 3 + std::size_t{1});
    std::size_t index_bytes = size * sizeof(std::uint32_t);
    auto* index = static_cast<std::uint32_t*>(heap.take_buffer(index_bytes));
    if (index == nullptr) {
      heap.give_buffer(entries, bytes);
      return false;
    }
    if (t->mask != 0) heap.give_buffer(t->index, (t->mask + std::size_t{1}) * 4);
    t->index = index;
    t->mask = static_cast<std::uint32_t>(size - 1);
  }
  heap.give_buffer(t->entries, std::bit_ceil(std::max<std::size_t>(t->capacity * sizeof(TableEntry), 32)));
  t->entries = entries;
  t->capacity = capacity;
  t->used = t->live = n;
  t->first = 0;
  if (t->mask != 0) fill_index(t);
  return true;
}

}  // namespace

Value new_table(Heap& heap, Kind kind) {
  auto* t = static_cast<TableObject*>(heap.allocate(sizeof(TableObject)));
  init(t, kind, heap.region());
  t->used = t->live = t->capacity = t->first = t->mask = t->unused = 0;
  t->entries = nullptr;
  t->index = nullptr;
  return Value::of(t);
}

Refused table_find(TableObject* t, Value key, std::uint32_t hash, TableEntry*& out) {
  out = nullptr;
  bool same = false;
  if (t->mask == 0) {
    for (std::uint32_t i = t->first; i < t->used; ++i) {
      TableEntry& e = t->entries[i];
      if (e.hash != hash || !e.key.valid()) continue;
      if (Refused r = same_key(e.key, key, same); r != Refused::no) return r;
      if (same) {
        out = &e;
        return Refused::no;
      }
    }
    return Refused::no;
  }
  for (std::uint32_t at = hash & t->mask; t->index[at] != 0; at = (at + 1) & t->mask) {
    TableEntry& e = t->entries[t->index[at] - 1];
    if (e.hash != hash || !e.key.valid()) continue;
    if (Refused r = same_key(e.key, key, same); r != Refused::no) return r;
    if (same) {
      out = &e;
      return Refused::no;
    }
  }
  return Refused::no;
}

TableEntry* table_find_string(const TableObject* t, std::string_view key) {
  std::uint32_t hash = hash_bytes(key);
  auto fits = [&](const TableEntry& e) {
    return e.hash == hash && e.key.valid() && is_string(e.key) &&
           as<StringObject>(e.key)->view() == key;
  };
  if (t->mask == 0) {
    for (std::uint32_t i = t->first; i < t->used; ++i) {
      if (fits(t->entries[i])) return &t->entries[i];
    }
    return nullptr;
  }
  for (std::uint32_t at = hash & t->mask; t->index[at] != 0; at = (at + 1) & t->mask) {
    if (fits(t->entries[t->index[at] - 1])) return &t->entries[t->index[at] - 1];
  }
  return nullptr;
}

Refused table_insert(Heap& heap, TableObject* t, Value key, std::uint32_t hash, Value value) {
  TableEntry* found;
  if (Refused r = table_find(t, key, hash, found); r != Refused::no) return r;
  if (found != nullptr) {
    found->value = value;
    return Refused::no;
  }
  if (t->used == t->capacity) {
    // Many deleted: the same size does.
    std::size_t wanted = t->live < t->used / 2 ? t->capacity : std::size_t{t->capacity} * 2;
    if (t->live >= kMaxEntries || !regrow(heap, t, wanted)) return Refused::memory;
  }
  t->entries[t->used] = {key, value, hash};
  if (t->mask != 0) {
    std::uint32_t at = hash & t->mask;
    while (t->index[at] != 0) at = (at + 1) & t->mask;
    t->index[at] = t->used + 1;
  }
  ++t->used;
  ++t->live;
  return Refused::no;
}

Refused table_reserve(Heap& heap, TableObject* t, std::size_t entries) {
  if (entries <= t->capacity) return Refused::no;
  if (entries > kMaxEntries || !regrow(heap, t, entries)) return Refused::memory;
  return Refused::no;
}

void table_erase(TableObject* t, TableEntry* e) {
  e->key = Value();
  e->value = Value();
  --t->live;
  while (t->first < t->used && !t->entries[t->first].key.valid()) ++t->first;
  if (t->live == 0) {
    t->used = t->first = 0;
    if (t->mask != 0) fill_index(t);
  }
}

void table_clear(Heap&, TableObject* t) {
  t->used = t->live = t->first = 0;
  if (t->mask != 0) fill_index(t);
}

}  // namespace starlark
