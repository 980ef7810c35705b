// SPDX-License-Identifier: Apache-2.0
//
// Seeing by BPF: one record per call of interest, begun at sys_enter, written at sys_exit
// (bpf/calls.bpf.c), read from this worker's own ring.
//
//   BpfObserver::enable(*object);                         // front, between open() and load()
//   auto observer = BpfObserver::create(*object, worker); // worker, after the fork
//
// All service leaves of a run stand at one depth of the cgroup hierarchy (bpf/abi/maps.h);
// begin_test() fails when they don't. For a service's connections to name the test's client, the
// worker must stand below the cgroup that BpfObject::attach() was given.
#pragma once

#include <memory>

#include "runner/observe/bpf_object.h"
#include "runner/observe/observer.h"
#include "runner/observe/service_table.h"

struct ring_buffer;

namespace fbx::observe {

class Decoder;

struct BpfObserverOptions {
  uint32_t ring_bytes = 8u << 20;  // a power of two, at least a page
};

class BpfObserver : public Observer {
 public:
  static void enable(BpfObject& object);
  // `worker`: 0…FBX_WORKERS−1, unlike that of any other worker of the run. The object must outlive
  // the observer.
  static Result<std::unique_ptr<BpfObserver>> create(BpfObject& object, uint32_t worker,
                                                     BpfObserverOptions options = {});
  ~BpfObserver() override;

  Status begin_test(const TestWatch& watch) override;
  Status pump() override;
  Result<BarrierResult> barrier(uint64_t bound_ns) override;
  [[nodiscard]] EventStore& store() override { return *store_; }
  [[nodiscard]] Loss loss() const override { return loss_; }
  [[nodiscard]] int poll_fd() const override;
  std::vector<fbx_decided> take_decisions() override;
  [[nodiscard]] std::vector<uint64_t> escapes() const override;
  [[nodiscard]] Thread thread(uint32_t inside, uint64_t at_ns) const override;
  Status end_test() override;

 private:
  struct Counts {
    uint64_t written = 0, lost = 0;
  };
  struct Running;

  BpfObserver(BpfObject& object, uint32_t worker);
  Status make_ring(uint32_t bytes);
  Status learn_levels();
  // Says until when a peer that is not found in fbx_tuples was never there.
  Status bound_tuples();
  Result<uint64_t> identity_of(uint64_t cgroup_id) const;
  Result<uint32_t> level_of(uint64_t cgroup_id) const;
  Status set_leaf_level(uint32_t level);
  Status enter_services(const TestWatch& watch);
  // Makes the marker call and reads until it comes out. False: it did not within the bound.
  Result<bool> mark(uint64_t deadline_ns);
  Result<std::vector<Running>> running() const;
  // Waits for calls that run. Gives what is still begun and blocked; *late names a call that did
  // not end in time.
  Result<std::vector<Running>> settle(uint64_t deadline_ns, std::string* late);
  Result<Counts> counts() const;
  // `written`: as counted before the ring was read to its end.
  Status reconcile(uint64_t written, bool final);
  static int on_record(void* self, void* record, size_t size);

  BpfObject& object_;
  ServiceTable services_;
  uint32_t worker_;
  uint64_t token_ = 0;
  int ring_fd_ = -1;
  int mount_fd_ = -1;
  ring_buffer* ring_ = nullptr;
  uint32_t ring_bytes_ = 0;
  uint32_t leaf_level_ = 0;
  uint32_t own_level_ = 0, own_depth_ = 0;
  uint32_t tests_ = 0;
  uint64_t markers_ = 0;
  uint32_t generation_ = 0;
  std::unique_ptr<EventStore> store_;
  std::unique_ptr<Decoder> decoder_;
  Counts before_;
  uint64_t misses_before_ = 0;
  uint64_t seen_ = 0;  // records taken from the ring since begin_test()
  uint64_t missing_ = 0;
  Loss loss_;
};

}  // namespace fbx::observe
