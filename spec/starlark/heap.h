// SPDX-License-Identifier: Apache-2.0
//
// A Heap: the arena in which one run makes its values. Nothing is freed before the heap is, except
// the scratch region and outgrown buffers. One thread at a time uses a heap; what is frozen in it
// may be read by any number of threads while it lives.
//
// Memory: `budget` bounds the bytes taken from the system. Small allocations always succeed and may
// overdraw by a chunk; the VM polls `exhausted()` at calls, back edges and at the end. Anything that
// grows asks first (try_bytes) and fails cleanly; string(), bytes(), tuple() and list(), which cannot
// fail, give an empty one and exhaust the heap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/starlark/value.h"

namespace starlark {

struct StringObject;
class Module;
class Program;
namespace core {
struct Function;
}

// Why a container refused a change.
enum class Refused : std::uint8_t { no, frozen, iterating, unhashable, memory, too_deep };
// "cannot append to frozen list" …; `verb` and `what` make the sentence.
std::string refusal_text(Refused why, std::string_view verb, Value container);

class Heap {
 public:
  static constexpr std::size_t kDefaultBudget = std::size_t{1} << 30;
  explicit Heap(std::size_t budget = kDefaultBudget);
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // ---- making values. Each is mutable until frozen where its type is.
  Value integer(std::int64_t i);
  Value integer_from_decimal(std::string_view digits);  // "-123"; no value if malformed
  Value floating(double d);
  Value string(std::string_view bytes);  // copies
  Value bytes(std::string_view bytes);
  Value tuple(std::span<const Value> items);
  Value list(std::span<const Value> items = {});
  Value dict(std::size_t expected = 0);
  Value set(std::size_t expected = 0);
  Value range(std::int64_t start, std::int64_t stop, std::int64_t step);  // step != 0
  // Fields in any order, names unique.
  Value structure(std::span<const Keyword> fields, Value constructor = Value());
  Value module(std::string_view name, std::span<const Keyword> members);
  Value bound(const Builtin& method, Value receiver);
  Value cell(Value content = Value());
  // A function of a module from its core key; `defaults` one per parameter that has one, in order;
  // `cells` one per free variable, in order. No value if the key is unknown or a count is wrong.
  Value function(Module& module, std::string_view key, std::span<const Value> defaults,
                 std::span<const Value> cells);
  // Takes ownership; destroyed with the heap (or its scratch region).
  Value host(std::unique_ptr<HostObject> object);
  template <class T, class... A>
  Value make_host(A&&... args) {
    return host(std::make_unique<T>(std::forward<A>(args)...));
  }

  // ---- changing containers. Key errors come back; the container is unchanged then.
  Refused append(Value list, Value item);
  Refused dict_set(Value dict, Value key, Value value);
  Refused dict_set(Value dict, std::string_view key, Value value) {
    return dict_set(dict, string(key), value);
  }
  Refused set_add(Value set, Value key);
  // Tuples are immutable for programs; a reader that rebuilds a cyclic graph fills them here, once,
  // before the tuple is hashed or frozen.
  void tuple_fill(Value tuple, std::size_t index, Value item);

  // Freezes the value and all it reaches: containers, defaults, cells, a function's module globals,
  // host objects. Iterative; any graph.
  void freeze(Value v);

  // ---- scratch region: what is made between begin and end is gone afterwards. While it is open,
  // values from before cannot be changed (Refused::frozen). Not nestable: begin returns false then.
  bool begin_scratch();
  // Returns `keep`, copied out of the region as deeply as needed; it must not hold fibers' state. No
  // value if it cannot be: nested deeper than 1000, a host object of the region, out of memory.
  Value end_scratch(Value keep);

  // ---- budget
  std::size_t used() const { return used_; }
  std::size_t budget() const { return budget_; }
  bool exhausted() const { return used_ > budget_; }
  // Something was made smaller than it should be: the run must not end well.
  void overdraw() {
    if (!exhausted()) used_ = budget_ + 1;
  }
  // May `bytes` more be taken?
  bool try_bytes(std::size_t bytes) const { return bytes <= budget_ && used_ <= budget_ - bytes; }

  // ---- for the implementation
  void* allocate(std::size_t bytes) {  // 8-aligned, never null
    bytes = (bytes + 7) & ~std::size_t{7};
    if (bytes <= static_cast<std::size_t>(end_ - next_)) [[likely]] {
      void* at = next_;
      next_ += bytes;
      return at;
    }
    return allocate_slow(bytes);
  }
  // Growing buffers: `bytes` is rounded up to what is returned in it; null when over the budget.
  void* take_buffer(std::size_t& bytes);
  void give_buffer(void* buffer, std::size_t bytes);
  std::uint8_t region() const { return region_; }
  // An object of this heap that may be changed now?
  bool may_change(const Object* o) const { return o->region == region_; }

 private:
  friend class Program;
  struct Chunk;
  struct HostSlot;
  void* allocate_slow(std::size_t bytes);
  Value text(Kind kind, std::string_view s);

  char* next_ = nullptr;
  char* end_ = nullptr;
  std::uint8_t region_ = 1;
  std::size_t used_ = 0;
  std::size_t budget_;
  std::vector<Chunk> chunks_;
  std::vector<HostSlot> hosts_;
  static constexpr int kClasses = 64;
  void* free_[kClasses] = {};
  struct Scratch;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace starlark
