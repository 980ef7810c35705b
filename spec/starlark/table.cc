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

// The places where a hash may stand in the index, in order; every place comes in the end. All bits of
// the hash take part, because the low ones of small ints follow each other.
class Probe {
 public:
  Probe(const TableObject* t, std::uint32_t hash) : mask_(t->mask), rest_(hash), at_(hash & t->mask) {}
  std::uint32_t at() const { return at_; }
  void next() {
    rest_ >>= 5;
    at_ = (at_ * 5 + 1 + rest_) & mask_;
  }

 private:
  std::uint32_t mask_, rest_, at_;
};

std::uint64_t slot_of(std::uint32_t hash, std::uint32_t entry) {
  return std::uint64_t{hash} << 32 | (entry + 1);
}

Refused same_key(Value a, Value b, bool& same) {
  same = a.same(b);
  if (same || (a.is_small_int() && b.is_small_int())) return Refused::no;
  if (is_string(a) && is_string(b)) {
    same = same_string(as<StringObject>(a), as<StringObject>(b));
    return Refused::no;
  }
  auto result = equal(a, b);
  same = result.value_or(false);
  return result ? Refused::no : Refused::too_deep;
}

// The entry whose hash is this and for which `fits` says so, or null; `fits` may end it by saying
// that it failed. `free`: where it would stand in the index.
template <class Fits>
TableEntry* find_entry(const TableObject* t, std::uint32_t hash, std::uint32_t& free, Fits fits) {
  if (t->mask == 0) {
    for (std::uint32_t i = t->first; i < t->used; ++i) {
      TableEntry& e = t->entries[i];
      if (e.hash == hash && e.key.valid() && fits(e)) return &e;
    }
    return nullptr;
  }
  for (Probe p(t, hash);; p.next()) {
    std::uint64_t slot = t->index[p.at()];
    if (slot == 0) {
      free = p.at();
      return nullptr;
    }
    if (slot >> 32 != hash) continue;
    TableEntry& e = t->entries[static_cast<std::uint32_t>(slot) - 1];
    if (e.key.valid() && fits(e)) return &e;
  }
}

Refused find_key(const TableObject* t, Value key, std::uint32_t hash, std::uint32_t& free,
                 TableEntry*& out) {
  Refused problem = Refused::no;
  out = find_entry(t, hash, free, [&](const TableEntry& e) {
    bool same = false;
    problem = same_key(e.key, key, same);
    return same || problem != Refused::no;
  });
  if (problem != Refused::no) out = nullptr;
  return problem;
}

std::uint32_t free_place(const TableObject* t, std::uint32_t hash) {
  Probe p(t, hash);
  while (t->index[p.at()] != 0) p.next();
  return p.at();
}

void fill_index(TableObject* t) {
  std::fill(t->index, t->index + t->mask + 1, 0u);
  for (std::uint32_t i = 0; i < t->used; ++i) {
    const TableEntry& e = t->entries[i];
    if (e.key.valid()) t->index[free_place(t, e.hash)] = slot_of(e.hash, i);
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
    std::size_t index_bytes = size * sizeof(std::uint64_t);
    auto* index = static_cast<std::uint64_t*>(heap.take_buffer(index_bytes));
    if (index == nullptr) {
      heap.give_buffer(entries, bytes);
      return false;
    }
    if (t->mask != 0) heap.give_buffer(t->index, (t->mask + std::size_t{1}) * sizeof(std::uint64_t));
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
  std::uint32_t free;
  return find_key(t, key, hash, free, out);
}

TableEntry* table_find_string(const TableObject* t, std::string_view key) {
  std::uint32_t free;
  return find_entry(t, hash_bytes(key), free, [&](const TableEntry& e) {
    return is_string(e.key) && as<StringObject>(e.key)->view() == key;
  });
}

Refused table_insert(Heap& heap, TableObject* t, Value key, std::uint32_t hash, Value value) {
  TableEntry* found;
  std::uint32_t free = 0;
  if (Refused r = find_key(t, key, hash, free, found); r != Refused::no) return r;
  if (found != nullptr) {
    found->value = value;
    return Refused::no;
  }
  if (t->used == t->capacity) {
    // Many deleted: the same size does.
    std::size_t wanted = t->live < t->used / 2 ? t->capacity : std::size_t{t->capacity} * 2;
    if (t->live >= kMaxEntries || !regrow(heap, t, wanted)) return Refused::memory;
    if (t->mask != 0) free = free_place(t, hash);
  }
  t->entries[t->used] = {key, value, hash};
  if (t->mask != 0) t->index[free] = slot_of(hash, t->used);
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
