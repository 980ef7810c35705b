// SPDX-License-Identifier: Apache-2.0
//
// A plan of two services and events of theirs, for tests of runner/check.
#pragma once

#include <cerrno>
#include <string>

#include "bpf/abi/tables.h"
#include "runner/observe/event.h"
#include "runner/observe/observer.h"
#include "spec/model/session.h"
#include "spec/plan/plan.h"

namespace fbx::check {

constexpr int16_t kOrders = 0, kInventory = 1;
constexpr uint64_t kMs = 1'000'000;

inline plan::Plan two_services() {
  plan::Plan plan;
  plan::Service orders, inventory;
  orders.name = "orders";
  orders.interfaces.push_back({"public", plan::Protocol::kHttp, 8080, ""});
  inventory.name = "inventory";
  inventory.interfaces.push_back({"main", plan::Protocol::kTcp, 5432, ""});
  inventory.ops.push_back({"persist", {"write", "fsync"}, "/tmp/*.wal"});
  plan.services = {orders, inventory};
  plan::Test test;
  test.name = "test_x";
  plan.tests = {test};
  return plan;
}

inline uint16_t nr_of(const char* name) {
  return static_cast<uint16_t>(abi::find_syscall(name)->nr());
}

// A finished call of `service`, 1 ms long, that began at `at_ms`.
class Call {
 public:
  Call(observe::EventStore& store, int16_t service, const char* syscall, double at_ms,
       int64_t ret = 0)
      : store_(&store) {
    event_.service = service;
    event_.nr = nr_of(syscall);
    event_.begin_ns = static_cast<uint64_t>(at_ms * 1e6);
    event_.end_ns = event_.begin_ns + kMs;
    event_.ret = ret;
    event_.pid = event_.tid = 100 + static_cast<uint32_t>(service);
  }
  Call& file(const std::string& path, const std::string& opened_as = "") {
    event_.on = observe::FdKind::kFile;
    event_.path = store_->intern(path);
    event_.opened_as = store_->intern(opened_as);
    event_.fd = 7;
    return *this;
  }
  Call& on(observe::FdKind kind, int32_t fd = 7) {
    event_.on = kind;
    event_.fd = fd;
    return *this;
  }
  Call& peer(int16_t service, const std::string& address) {
    event_.on = observe::FdKind::kStream;
    event_.peer = service;
    event_.peer_text = store_->intern(address);
    event_.fd = 9;
    return *this;
  }
  Call& decided(const std::string& decision, const std::string& label = "") {
    event_.decision = store_->intern(decision);
    event_.label = store_->intern(label);
    return *this;
  }
  Call& in_flight() {
    event_.state = observe::CallState::kInFlight;
    event_.end_ns = 0;
    return *this;
  }
  // As the supervisor alone sees it.
  Call& result_unknown() {
    event_.flags |= observe::kResultUnknown;
    return *this;
  }
  Call& lasting(double ms) {
    event_.end_ns = event_.begin_ns + static_cast<uint64_t>(ms * 1e6);
    return *this;
  }
  observe::Event& raw() { return event_; }
  // Appends it. Returns its seq.
  uint64_t add() { return store_->append(event_).seq; }

 private:
  observe::EventStore* store_;
  observe::Event event_;
};

inline model::Filter filter_on(const char* syscall, const char* path = "") {
  model::Filter filter;
  filter.service = kInventory;
  filter.syscall = syscall;
  filter.path = path;
  filter.display = std::string("service=\"inventory\", syscall=\"") + syscall + "\"";
  if (*path != 0) filter.display += std::string(", path=\"") + path + "\"";
  return filter;
}

// Everything in the table is recorded of both services.
inline observe::TestWatch watch_all() {
  observe::TestWatch watch;
  for (const int16_t service : {kOrders, kInventory}) {
    observe::WatchedService one;
    one.index = service;
    for (int nr = 0; nr < FBX_NR_LIMIT; ++nr)
      if (abi::find_syscall(nr) != nullptr) one.syscalls.push_back(static_cast<uint16_t>(nr));
    watch.services.push_back(one);
  }
  return watch;
}

}  // namespace fbx::check
