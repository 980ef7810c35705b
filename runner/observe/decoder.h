// SPDX-License-Identifier: Apache-2.0
//
// From ring records (bpf/abi/event.h) to events. Strings are put together here: components turned
// round, arguments made absolute. Every record taken either appends one event or is counted as
// filtered, with the reason in decoder.cc.
//
// Pure: no kernel below it; tested with made-up records. Thread rule: the store's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "bpf/abi/maps.h"
#include "bpf/abi/tables.h"
#include "runner/observe/event.h"
#include "runner/observe/mappings.h"
#include "runner/observe/observer.h"

namespace fbx::observe {

class Decoder {
 public:
  // `owners`: identity of a cgroup (bpf/abi/maps.h) → service index, or kPeerClient.
  Decoder(EventStore& store, uint32_t generation, std::unordered_map<uint64_t, int16_t> owners);

  // The calls of a service that are asked for. Of others, only escapes are kept.
  void expect(int16_t service, const std::vector<uint16_t>& syscalls);

  // One record as it stands in the ring. Unknown kinds, wrong sizes and other generations are
  // filtered; a wrong size also counts as broken().
  void take(const void* record, size_t size);

  // A call that has begun and not ended, as the task iterator copied it: opens it in the store and
  // gives its seq; 0 when the store already has its end.
  uint64_t take_running(const fbx_sock_call& record);

  [[nodiscard]] uint64_t kept() const { return kept_; }
  [[nodiscard]] uint64_t filtered() const { return filtered_; }
  [[nodiscard]] uint64_t broken() const { return broken_; }
  // The latest marker taken; its time and the depth of the worker's cgroup.
  [[nodiscard]] uint64_t marker() const { return marker_; }
  [[nodiscard]] uint64_t marker_ns() const { return marker_ns_; }
  [[nodiscard]] uint32_t worker_level() const { return worker_level_; }
  [[nodiscard]] std::vector<fbx_decided> take_decisions();
  // As Observer::thread().
  [[nodiscard]] Thread thread(uint32_t inside, uint64_t at_ns) const;
  [[nodiscard]] const std::vector<uint64_t>& escapes() const { return escapes_; }
  [[nodiscard]] const std::optional<Left>& left() const { return left_; }

 private:
  void take_call(const fbx_call& call, const fbx_sock* sock);
  void take_string(const fbx_string& string, const char* bytes);
  void take_task(const fbx_task& task);
  void take_signal(const fbx_task& task);
  Event event_of(const fbx_call& call, const fbx_sock* sock);
  void name_paths(const fbx_call& call, Event& event);
  void name_peer(const fbx_call& call, const fbx_sock& sock, Event& event);
  [[nodiscard]] const std::string& text(uint64_t id);
  // The argument made absolute; "" when there is none.
  [[nodiscard]] std::string absolute(const fbx_call& call, int arg, int base);

  EventStore& store_;
  uint32_t generation_;
  std::unordered_map<uint64_t, int16_t> owners_;
  std::unordered_map<uint64_t, std::string> texts_;
  std::vector<fbx_decided> decisions_;
  std::unordered_map<int16_t, std::vector<bool>> asked_;  // service → by number
  std::vector<uint64_t> escapes_;
  Mappings mappings_;
  std::optional<Left> left_;
  struct Numbered {
    uint64_t since_ns = 0;
    Thread thread;
  };
  std::unordered_map<uint32_t, std::vector<Numbered>> threads_;  // by number inside
  uint64_t kept_ = 0, filtered_ = 0, broken_ = 0;
  uint64_t marker_ = 0, marker_ns_ = 0;
  uint32_t worker_level_ = 0;
};

// Whether some calls of this row do work that no system call of the table shows.
[[nodiscard]] bool may_escape(const abi::Syscall& row);

// A path with "//", "." and ".." taken out by the letter; absolute paths only.
[[nodiscard]] std::string normalised(const std::string& path);

// "127.0.0.1:5432", "[::1]:80"; "" when neither address nor port is set.
[[nodiscard]] std::string endpoint_text(const fbx_endpoint& end);

}  // namespace fbx::observe
