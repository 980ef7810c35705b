// SPDX-License-Identifier: Apache-2.0
//
// The arena: chunks, growing buffers, host objects, the scratch region.
#include "spec/starlark/heap.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>
#include <unordered_map>

#include <sys/mman.h>

#include "spec/starlark/objects.h"

namespace starlark {
namespace {

constexpr std::size_t kFirstChunk = 16 * 1024;
constexpr std::size_t kChunkSize = 128 * 1024;  // the next ones
constexpr std::size_t kLargeChunk = 2 * 1024 * 1024;  // those of a heap of twice that; a huge page
// Buffers from here on come from the system one by one and go back to it.
constexpr std::size_t kLargeBuffer = 256 * 1024;

constexpr std::uint8_t kScratchRegion = 2;

// As malloc. Large blocks ask for huge pages: to fault in small ones costs as much as to fill them.
void* take_block(std::size_t bytes) {
  if (bytes < kLargeChunk) return std::malloc(bytes);
  void* memory = nullptr;
  if (posix_memalign(&memory, kLargeChunk, bytes) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  madvise(memory, bytes & ~(kLargeChunk - 1), MADV_HUGEPAGE);  // a wish
#endif
  return memory;
}

}  // namespace

struct Heap::Chunk {
  void* memory;
  std::size_t size;
};
struct Heap::HostSlot {
  std::unique_ptr<HostObject> object;
};
struct Heap::Scratch {
  std::size_t chunks;
  std::size_t hosts;
  char* next;
  char* end;
  std::size_t used;
};

Heap::Heap(std::size_t budget) : budget_(budget) {}

Heap::~Heap() {
  hosts_.clear();
  for (Chunk& c : chunks_) std::free(c.memory);
}

void* Heap::allocate_slow(std::size_t bytes) {
  bool first = chunks_.size() == (scratch_ ? scratch_->chunks : 0);
  std::size_t so_far = used_ - (scratch_ ? scratch_->used : 0);
  bool large = so_far >= 2 * kLargeChunk && try_bytes(kLargeChunk);
  bool alone = bytes >= kChunkSize / 2;  // the open chunk stays open
  std::size_t size = first ? kFirstChunk : large ? kLargeChunk : kChunkSize;
  if (alone || bytes > size) size = bytes;
  void* memory = take_block(size);
  if (memory == nullptr) throw std::bad_alloc();
  chunks_.push_back({memory, size});
  used_ += size;
  if (alone) return memory;
  next_ = static_cast<char*>(memory) + bytes;
  end_ = static_cast<char*>(memory) + size;
  return memory;
}

// Sizes are powers of two. Small ones come from the arena and are kept in lists; large ones are
// allocated alone, so that outgrowing them gives the memory back.
void* Heap::take_buffer(std::size_t& bytes) {
  bytes = std::bit_ceil(std::max<std::size_t>(bytes, 32));
  if (bytes >= kLargeBuffer) {
    if (!try_bytes(bytes)) return nullptr;
    void* memory = take_block(bytes);
    if (memory == nullptr) return nullptr;
    chunks_.push_back({memory, bytes});
    used_ += bytes;
    return memory;
  }
  void*& head = free_[std::countr_zero(bytes)];
  if (head != nullptr) {
    void* buffer = head;
    std::memcpy(&head, buffer, sizeof(void*));
    return buffer;
  }
  if (exhausted()) return nullptr;
  return allocate(bytes);
}

void Heap::give_buffer(void* buffer, std::size_t bytes) {
  if (buffer == nullptr) return;
  if (bytes >= kLargeBuffer) {
    for (std::size_t i = chunks_.size(); i-- > 0;) {
      if (chunks_[i].memory != buffer) continue;
      // In a scratch region, what is from before it must stay where it is in the order.
      if (scratch_ && i < scratch_->chunks) return;
      std::free(buffer);
      used_ -= bytes;
      chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
    return;
  }
  if (scratch_) return;  // free lists must not reach into the region
  void*& head = free_[std::countr_zero(bytes)];
  std::memcpy(buffer, &head, sizeof(void*));
  head = buffer;
}

Value Heap::host(std::unique_ptr<HostObject> object) {
  auto* ref = static_cast<HostRef*>(allocate(sizeof(HostRef)));
  init(ref, Kind::host, region_);
  ref->object = object.get();
  object->value_ = Value::of(ref);
  hosts_.push_back({std::move(object)});
  return Value::of(ref);
}

// ---- scratch

bool Heap::begin_scratch() {
  if (scratch_) return false;
  scratch_ = std::make_unique<Scratch>(Scratch{chunks_.size(), hosts_.size(), next_, end_, used_});
  // A chunk of its own, so that the region is whole chunks.
  next_ = end_ = nullptr;
  region_ = kScratchRegion;
  return true;
}

namespace {

// Copies what lies in the scratch region, keeping shared and cyclic structure.
class CopyOut {
 public:
  explicit CopyOut(Heap& heap) : heap_(heap) {}

  bool failed() const { return failed_; }

  Value copy(Value v, int depth) {
    if (!v.is_object() || v.object()->region != kScratchRegion) return v;
    if (auto it = done_.find(v.object()); it != done_.end()) return it->second;
    failed_ = failed_ || depth > 1000 || heap_.exhausted();
    if (failed_) return Value::none();
    Value to = make(v, depth);
    done_[v.object()] = to;
    return to;
  }

 private:
  // Those that can be part of a cycle are in done_ before what they hold is copied.
  Value make(Value v, int depth) {
    switch (v.object()->kind) {
      case Kind::string: return heap_.string(as<StringObject>(v)->view());
      case Kind::bytes: return heap_.bytes(as<StringObject>(v)->view());
      case Kind::integer: return same_size(v, sizeof(BigObject) + v.object()->aux * 8);
      case Kind::floating: return same_size(v, sizeof(FloatObject));
      case Kind::range: return same_size(v, sizeof(RangeObject));
      case Kind::list: {
        Value to = heap_.list();
        done_[v.object()] = to;
        for (Value item : elements(v)) {
          if (!list_push(heap_, as<ListObject>(to), copy(item, depth + 1))) failed_ = true;
          if (failed_) break;
        }
        return to;
      }
      case Kind::tuple: {
        std::vector<Value> items(length(v), Value::none());
        Value to = heap_.tuple(items);
        done_[v.object()] = to;
        failed_ = failed_ || length(to) != items.size();
        if (failed_) return to;
        for (std::size_t i = 0; i < items.size(); ++i) {
          as<TupleObject>(to)->items()[i] = copy(elements(v)[i], depth + 1);
        }
        return to;
      }
      case Kind::dict:
      case Kind::set: return table(v, depth);
      case Kind::structure:
      case Kind::module: {
        std::vector<Keyword> fields_copy = fields(v);
        for (Keyword& k : fields_copy) k = {copy(k.name, depth + 1), copy(k.value, depth + 1)};
        Value named = copy(constructor(v), depth + 1);
        if (v.object()->kind == Kind::structure) return heap_.structure(fields_copy, named);
        return heap_.module(is_string(named) ? to_string_view(named) : "", fields_copy);
      }
      case Kind::builtin: {
        auto* b = as<BoundObject>(v);
        return heap_.bound(*b->method, copy(b->self, depth + 1));
      }
      case Kind::cell: {
        Value to = heap_.cell();
        done_[v.object()] = to;
        cell_assign(to, copy(as<CellObject>(v)->content, depth + 1));
        return to;
      }
      case Kind::function: return function(v, depth);
      case Kind::string_view: {
        Value to = same_size(v, sizeof(ViewObject));
        as<ViewObject>(to)->string = copy(as<ViewObject>(v)->string, depth + 1);
        return to;
      }
      case Kind::host:  // its owner makes such objects outside of pure callbacks
      case Kind::none:
      case Kind::boolean:
        break;
    }
    failed_ = true;
    return Value::none();
  }

  Value same_size(Value v, std::size_t bytes) {
    auto* o = static_cast<Object*>(heap_.allocate(bytes));
    std::memcpy(static_cast<void*>(o), v.object(), bytes);
    o->region = heap_.region();
    return Value::of(o);
  }
  Value table(Value v, int depth) {
    bool dict = v.object()->kind == Kind::dict;
    Value to = dict ? heap_.dict() : heap_.set();
    done_[v.object()] = to;
    auto* t = as<TableObject>(v);
    for (std::uint32_t i = 0; i < t->used; ++i) {
      TableEntry& e = t->entries[i];
      if (!e.key.valid()) continue;
      Value value = e.value.valid() ? copy(e.value, depth + 1) : Value();
      Value key = copy(e.key, depth + 1);
      if (failed_) break;
      failed_ = table_insert(heap_, as<TableObject>(to), key, e.hash, value) != Refused::no;
    }
    return to;
  }
  Value function(Value v, int depth);

  Heap& heap_;
  std::unordered_map<const Object*, Value> done_;
  bool failed_ = false;
};

}  // namespace

std::size_t function_slots(const FunctionObject* f);  // lower.cc

namespace {

Value CopyOut::function(Value v, int depth) {
  auto* f = as<FunctionObject>(v);
  std::size_t n = function_slots(f);
  Value to = same_size(v, sizeof(FunctionObject) + n * sizeof(Value));
  done_[v.object()] = to;
  for (std::size_t i = 0; i < n; ++i) {
    as<FunctionObject>(to)->slots()[i] = copy(f->slots()[i], depth + 1);
  }
  return to;
}

}  // namespace

Value Heap::end_scratch(Value keep) {
  if (!scratch_) return keep;
  Scratch was = *scratch_;
  // New objects go to the normal region again, in chunks after the scratch ones.
  std::size_t scratch_end = chunks_.size();
  std::vector<HostSlot> dropped;
  for (std::size_t i = was.hosts; i < hosts_.size(); ++i) dropped.push_back(std::move(hosts_[i]));
  hosts_.resize(was.hosts);
  next_ = was.next;
  end_ = was.end;
  region_ = 1;
  scratch_.reset();
  const std::size_t before_copy = used_;
  CopyOut out(*this);
  Value kept = keep.valid() ? out.copy(keep, 0) : keep;
  if (out.failed()) kept = Value();
  dropped.clear();
  for (std::size_t i = was.chunks; i < scratch_end; ++i) {
    std::free(chunks_[i].memory);
  }
  used_ = was.used + (used_ - before_copy);  // an overdraft of the region ends with it
  chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(was.chunks),
                chunks_.begin() + static_cast<std::ptrdiff_t>(scratch_end));
  return kept;
}

}  // namespace starlark
