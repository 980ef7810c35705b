// SPDX-License-Identifier: Apache-2.0
#include "runner/observe/bpf_observer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "bpf/abi/tables.h"
#include "runner/observe/cgroup2.h"
#include "runner/observe/decoder.h"

namespace fbx::observe {
namespace {

Status put(int map, const void* key, const void* value, const char* what) {
  if (bpf_map_update_elem(map, key, value, BPF_ANY) != 0)
    return fail_errno(std::string("writing the BPF map ") + what);
  return {};
}

// A fork copies the page table of the ring, which is mapped twice over: 0.4 ms for 8 MB, three
// times a test, for children that never read it. libbpf (1.1) does not tell where the mapping is; it
// is the only one of a BPF map with this length. Without it everything works, only slower.
void keep_from_children(uint64_t ring_bytes) {
  FILE* maps = fopen("/proc/self/maps", "re");
  if (maps == nullptr) return;
  char line[512];
  while (fgets(line, sizeof line, maps) != nullptr) {
    unsigned long begin = 0, end = 0;
    if (strstr(line, "bpf-map") == nullptr || sscanf(line, "%lx-%lx", &begin, &end) != 2) continue;
    if (end - begin < 2 * ring_bytes) continue;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTFORK);
  }
  fclose(maps);
}

}  // namespace

void BpfObserver::enable(BpfObject& object) {
  for (const char* name : {"calls__on_enter", "calls__on_exit", "tasks__on_fork", "tasks__on_attach",
                           "tasks__on_exec", "tasks__on_exit", "tasks__on_signal", "tasks__running",
                           "tuples__on_established"})
    object.enable(name);
}

Result<std::unique_ptr<BpfObserver>> BpfObserver::create(BpfObject& object, uint32_t worker,
                                                         BpfObserverOptions options) {
  if (worker >= FBX_WORKERS) return fail("no ring for worker " + std::to_string(worker));
  std::unique_ptr<BpfObserver> self(new BpfObserver(object, worker));
  if (getrandom(&self->token_, sizeof self->token_, 0) != sizeof self->token_)
    return fail_errno("drawing the marker's token");
  self->token_ |= 1;
  const Result<std::string> mount = cgroup2_mount();
  if (!mount) return std::unexpected(mount.error());
  self->mount_fd_ = open(mount->c_str(), O_DIRECTORY | O_CLOEXEC);
  if (self->mount_fd_ < 0) return fail_errno("opening " + *mount);
  if (Status made = self->make_ring(options.ring_bytes); !made)
    return std::unexpected(made.error());
  if (Status bounded = self->bound_tuples(); !bounded) return std::unexpected(bounded.error());
  self->store_ = std::make_unique<EventStore>();
  if (Status learnt = self->learn_levels(); !learnt) return std::unexpected(learnt.error());
  return self;
}

BpfObserver::BpfObserver(BpfObject& object, uint32_t worker) : object_(object), services_(object), worker_(worker) {}

BpfObserver::~BpfObserver() {
  services_.clear();
  bpf_map_delete_elem(object_.map_fd("fbx_rings"), &worker_);
  if (ring_) ring_buffer__free(ring_);
  if (ring_fd_ >= 0) close(ring_fd_);
  if (mount_fd_ >= 0) close(mount_fd_);
}

Status BpfObserver::make_ring(uint32_t bytes) {
  ring_bytes_ = bytes;
  ring_fd_ = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "fbx_ring", 0, 0, bytes, nullptr);
  if (ring_fd_ < 0) return fail_errno("making a ring of " + std::to_string(bytes) + " bytes");
  if (Status s = put(object_.map_fd("fbx_rings"), &worker_, &ring_fd_, "fbx_rings"); !s) return s;
  ring_ = ring_buffer__new(ring_fd_, &BpfObserver::on_record, this, nullptr);
  if (!ring_) return fail_errno("mapping the ring");
  keep_from_children(bytes);
  return {};
}

// The kernel may push out old entries when a part is still free, a few for each processor: half of
// the map is safe (kernel/bpf/bpf_lru_list.c).
Status BpfObserver::bound_tuples() {
  const int map = object_.map_fd("fbx_tuple_use");
  const uint32_t zero = 0;
  fbx_tuple_use use{};
  if (bpf_map_lookup_elem(map, &zero, &use) != 0)
    return fail_errno("reading the BPF map fbx_tuple_use");
  if (use.safe != 0) return {};
  use.safe = bpf_map__max_entries(object_.map("fbx_tuples")) / 2;
  return put(map, &zero, &use, "fbx_tuple_use");
}

int BpfObserver::on_record(void* self, void* record, size_t size) {
  auto* me = static_cast<BpfObserver*>(self);
  ++me->seen_;
  me->decoder_->take(record, size);
  return 0;
}

// The programs know absolute depths, we know depths below the mount. A marker tells both of the
// worker's own cgroup, and with it the difference.
Status BpfObserver::learn_levels() {
  // The programs keep names by the test's generation: a worker that follows another under the same
  // number must not take up where names of that one's ring are kept.
  fbx_worker before{};
  if (bpf_map_lookup_elem(object_.map_fd("fbx_workers"), &worker_, &before) != 0)
    return fail_errno("reading the BPF map fbx_workers");
  tests_ = before.generation & 0xffffffu;
  decoder_ = std::make_unique<Decoder>(*store_, before.generation,
                                       std::unordered_map<uint64_t, int16_t>{});
  const fbx_worker entry{
      .token = token_, .pid = static_cast<uint32_t>(getpid()), .generation = before.generation};
  if (Status s = put(object_.map_fd("fbx_workers"), &worker_, &entry, "fbx_workers"); !s) return s;
  const Result<std::string> mount = cgroup2_mount();
  if (!mount) return std::unexpected(mount.error());
  const Result<int> own = open_own_cgroup(*mount);
  if (!own) return std::unexpected(own.error());
  const Result<uint32_t> depth = cgroup_depth(*own);
  close(*own);
  if (!depth) return std::unexpected(depth.error());
  own_depth_ = *depth;
  const Result<bool> came = mark(now_ns() + 1'000'000'000);
  if (!came) return std::unexpected(came.error());
  if (!*came) return fail("the tracepoint programs are not attached: no marker came back");
  own_level_ = decoder_->worker_level();
  return {};
}

Result<uint32_t> BpfObserver::level_of(uint64_t cgroup_id) const {
  const Result<int> dir = open_cgroup(mount_fd_, cgroup_id);
  if (!dir) return std::unexpected(dir.error());
  const Result<uint32_t> depth = cgroup_depth(*dir);
  close(*dir);
  if (!depth) return std::unexpected(depth.error());
  return *depth + own_level_ - own_depth_;
}

// What the programs call it: the ancestor at the leaves' depth, or itself when it stands higher.
Result<uint64_t> BpfObserver::identity_of(uint64_t cgroup_id) const {
  const Result<uint32_t> level = level_of(cgroup_id);
  if (!level) return std::unexpected(level.error());
  if (*level <= leaf_level_) return cgroup_id;
  const Result<int> dir = open_cgroup(mount_fd_, cgroup_id);
  if (!dir) return std::unexpected(dir.error());
  Result<uint64_t> id = cgroup_ancestor(*dir, *level - leaf_level_);
  close(*dir);
  return id;
}

Status BpfObserver::set_leaf_level(uint32_t level) {
  const int map = object_.map_fd("fbx_config");
  const uint32_t zero = 0;
  fbx_config config{};
  if (bpf_map_lookup_elem(map, &zero, &config) != 0)
    return fail_errno("reading the BPF map fbx_config");
  if (config.leaf_level != 0 && config.leaf_level != level)
    return fail("a service's cgroup stands at depth " + std::to_string(level) +
                ", those of this run at " + std::to_string(config.leaf_level));
  config.leaf_level = leaf_level_ = level;
  return put(map, &zero, &config, "fbx_config");
}

Status BpfObserver::begin_test(const TestWatch& watch) {
  if (Status drained = pump(); !drained) return drained;
  generation_ = FBX_GENERATION(worker_, ++tests_);
  store_ = std::make_unique<EventStore>();
  for (const WatchedService& service : watch.services) {
    const Result<uint32_t> level = level_of(service.cgroup_id);
    if (!level) return std::unexpected(level.error());
    if (Status s = set_leaf_level(*level); !s) return s;
  }
  const fbx_worker entry{
      .token = token_, .pid = static_cast<uint32_t>(getpid()), .generation = generation_};
  if (Status s = put(object_.map_fd("fbx_workers"), &worker_, &entry, "fbx_workers"); !s) return s;
  const Result<Counts> before = counts();
  if (!before) return std::unexpected(before.error());
  before_ = *before;
  const Result<uint64_t> misses = object_.misses();
  if (!misses) return std::unexpected(misses.error());
  misses_before_ = *misses;
  seen_ = missing_ = 0;
  loss_ = {};
  return enter_services(watch);
}

Status BpfObserver::enter_services(const TestWatch& watch) {
  std::unordered_map<uint64_t, int16_t> owners;
  for (const uint64_t cgroup : {watch.client_cgroup_id, watch.client_leaf_id}) {
    if (cgroup == 0 || leaf_level_ == 0) continue;
    const Result<uint64_t> id = identity_of(cgroup);
    if (!id) return std::unexpected(id.error());
    owners.emplace(*id, kPeerClient);
    const fbx_service client{.worker = worker_, .service = FBX_SERVICE_CLIENT,
                             .flags = FBX_SERVICE_NAMES, .generation = generation_,
                             .wake_at = ring_bytes_ / 4};
    if (Status s = services_.enter(*id, client); !s) return s;
  }
  for (const WatchedService& service : watch.services) owners[service.cgroup_id] = service.index;
  decoder_ = std::make_unique<Decoder>(*store_, generation_, std::move(owners));
  for (const WatchedService& service : watch.services) {
    fbx_service entry{.worker = worker_, .service = service.index,
                      .flags = FBX_SERVICE_WATCHED | FBX_SERVICE_NAMES, .generation = generation_,
                      .wake_at = ring_bytes_ / 4};
    for (uint16_t nr : service.syscalls)
      if (nr < FBX_NR_LIMIT) entry.interest[nr / 64] |= uint64_t{1} << (nr % 64);
    decoder_->expect(service.index, service.syscalls);
    for (const abi::Syscall& row : abi::kSyscalls)
      if (row.nr() >= 0 && may_escape(row))
        entry.interest[row.nr() / 64] |= uint64_t{1} << (row.nr() % 64);
    if (Status s = services_.enter(service.cgroup_id, entry); !s) return s;
  }
  return {};
}

Status BpfObserver::pump() {
  if (const int got = ring_buffer__consume(ring_); got < 0)
    return fail_errno("reading the ring", got);
  return {};
}

int BpfObserver::poll_fd() const { return ring_buffer__epoll_fd(ring_); }

std::vector<fbx_decided> BpfObserver::take_decisions() { return decoder_->take_decisions(); }

Thread BpfObserver::thread(uint32_t inside, uint64_t at_ns) const {
  return decoder_->thread(inside, at_ns);
}

std::vector<uint64_t> BpfObserver::escapes() const { return decoder_->escapes(); }

Result<BpfObserver::Counts> BpfObserver::counts() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) return fail_errno("counting processors", cpus);
  std::vector<fbx_count> all(static_cast<size_t>(cpus));
  if (bpf_map_lookup_elem(object_.map_fd("fbx_counts"), &worker_, all.data()) != 0)
    return fail_errno("reading the BPF map fbx_counts");
  Counts sum;
  for (const fbx_count& count : all) {
    sum.written += count.written;
    sum.lost += count.lost + count.unbuilt;
  }
  return sum;
}

Status BpfObserver::end_test() {
  services_.clear();
  const Result<bool> came = mark(now_ns() + 1'000'000'000);
  if (!came) return std::unexpected(came.error());
  if (!*came) ++missing_;
  const Result<Counts> written = counts();
  if (!written) return std::unexpected(written.error());
  if (Status drained = pump(); !drained) return drained;
  return reconcile(written->written, true);
}

}  // namespace fbx::observe
