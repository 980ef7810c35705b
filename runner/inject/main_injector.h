// SPDX-License-Identifier: Apache-2.0
//
// The Injector of the product: distributes rules and cuts over the hands that choose() assigned,
// keeps the log, and has what the hands decided compared with what the kernel recorded.
//
//   enable_hooks(*object, hooks);                            // front, between open() and load()
//   auto injector = MainInjector::create({object, worker, &observer});  // worker, after the fork
//
// A rule that no hand can carry out, or that choose() did not foresee, is an Error of install() and
// nothing of that install binds.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runner/inject/choose.h"
#include "runner/inject/decision_join.h"
#include "runner/inject/injector.h"
#include "runner/inject/kernel_maps.h"
#include "runner/inject/lost_syncs.h"
#include "runner/inject/own_cuts.h"
#include "runner/inject/partitions.h"
#include "runner/inject/peer_finder.h"
#include "runner/inject/shim_side.h"
#include "runner/inject/supervisor.h"
#include "runner/inject/unix_names.h"
#include "runner/observe/bpf_object.h"
#include "runner/observe/observer.h"

namespace fbx::inject {

struct InjectorParts {
  // Loaded and attached; outlives the injector. nullptr: no hand in the kernel, no records; the
  // supervisor is all there is and tells the observer's call_log() what it sees.
  const observe::BpfObject* object = nullptr;
  uint32_t worker = 0;                         // below FBX_COUNTERS / FBX_COUNTERS_PER_WORKER
  observe::Observer* observer = nullptr;       // gives the kernel hands' decisions
  Capabilities capabilities;
  Wishes wishes = {};
};

class MainInjector : public Injector {
 public:
  static Result<std::unique_ptr<MainInjector>> create(const InjectorParts& parts);
  ~MainInjector() override;

  Status begin_test(const TestInject& test) override;
  [[nodiscard]] Result<BirthNeeds> birth_needs(int16_t service) override;
  Status adopt_listener(int16_t service, int listener_fd) override;
  Status executed(int16_t service, pid_t pid) override;
  Status install(const model::InstallFaults& faults) override;
  Status install(const model::InstallPartition& cut) override;
  Status lift(model::ScopeId scope) override;
  Status collect() override;
  Status conclude() override;
  [[nodiscard]] const RuleLog& log() const override { return log_; }
  Status end_test() override;

 private:
  // One rule of the log with what the hands need of it. Parallel to log_.rules; a cut's is empty.
  struct Rule {
    CompiledRule compiled;
    uint32_t batch = 0;  // later installs are inner scopes
  };

  explicit MainInjector(InjectorParts parts) : parts_(std::move(parts)) {}
  Status make_shim_side();
  Result<BirthNeeds> shim_needs(int16_t service);
  Result<Hand> hand_of(const CompiledRule& rule, const model::RuleSpec& spec) const;
  Result<uint32_t> take_counter();
  Status collect(uint64_t settled_ns);
  [[nodiscard]] std::vector<CompiledRule> active(int16_t service, Hand hand) const;
  Status publish(int16_t service);
  Status lift_rules(const std::vector<uint32_t>& rules);
  Status publish_to_kernel(int16_t service, Hand hand, std::shared_ptr<const ActiveSet> set);
  Status give_patterns(const CompiledRule& rule, int16_t service);
  void lay_wire();
  void take_from_wire(const std::vector<uint32_t>& rules);
  void collect_kernel_decisions(std::vector<Decision>& out);
  Status collect_shim(std::vector<Decision>& decisions, std::vector<Decision>& held);
  void escape_shim_rules(int16_t service, const std::string& text);
  [[nodiscard]] const fbx_counter& counter_of(uint32_t rule);
  void check_counters();
  void note(const Decision& decision);
  void check_cut(const Decision& decision);
  void check_crossings();
  void count_rules();
  void add_escape(uint32_t rule, const std::string& text);
  void note_bypasses();
  void note_rings();
  Status refresh_names();
  void name_labels();
  void check_unix_dials();
  [[nodiscard]] std::vector<JoinRule> join_rules() const;
  [[nodiscard]] std::string peer_name(const Decision& decision) const;

  InjectorParts parts_;
  std::unique_ptr<KernelMaps> maps_;
  // Of the running test.
  TestInject test_;
  Assignment assignment_;
  std::map<int16_t, uint64_t> leaves_;
  std::unique_ptr<SocketList> sockets_;
  std::unique_ptr<PeerFinder> peers_;
  std::unique_ptr<UnixNames> unix_names_;
  std::unique_ptr<Wire> wire_;  // from the first delay that may need it
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<ShimSide> shim_;
  std::unique_ptr<Partitions> partitions_;
  std::unique_ptr<OwnCuts> own_cuts_;  // instead, where no hook of the kernel cuts
  std::unique_ptr<DecisionJoin> join_;
  std::unique_ptr<LostSyncs> lost_syncs_;
  RuleLog log_;
  std::vector<Rule> rules_;
  std::map<int16_t, std::string> unreached_;  // services whose shim did not get behind its filter
  std::map<uint32_t, uint64_t> told_;         // of the shim's rules: matches that a hand told of
  std::map<int16_t, size_t> dials_checked_;  // by service, how many of its dials
  std::map<uint32_t, uint64_t> healed_ns_;  // cut → when its heal() had returned
  uint32_t batches_ = 0, generations_ = 0;
  // (service, generation) → whose set it was and its rules by position, to read the kernel's masks
  // by.
  struct KernelSet {
    Hand hand = Hand::kNone;
    std::vector<uint32_t> rules;
  };
  std::map<std::pair<int16_t, uint32_t>, KernelSet> kernel_sets_;
  uint32_t next_counter_ = 0;
  uint64_t next_dial_seq_ = 1;
  uint64_t named_to_ = 0;
};

}  // namespace fbx::inject
