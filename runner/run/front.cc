// SPDX-License-Identifier: Apache-2.0
#include "runner/run/front.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/clock.h"
#include "runner/inject/choose.h"
#include "runner/inject/hooks.h"
#include "runner/report/json.h"
#include "runner/report/reporter.h"
#include "runner/report/run_verdict.h"
#include "runner/run/deadline.h"
#include "runner/run/hand_memory.h"
#include "runner/run/kept_files.h"
#include "runner/run/worker.h"
#include "runner/sandbox/user_namespace.h"
#include "runner/service/binary.h"
#include "runner/service/identity.h"
#include "runner/service/service_set.h"
#include "spec/plan/write.h"

namespace fbx::run {

namespace {

constexpr int64_t kStopGrace = 5'000'000'000;

// What is left to do of one plan, and how its tests ended.
class Front {
 public:
  Front(const RunOptions& options, std::vector<PlanRun>& plans, Machine& machine)
      : options_(options),
        plans_(plans),
        machine_(machine),
        memory_(options.wishes),
        reporter_(report::reporter_options(options.json)) {}

  int run();

 private:
  bool check_binaries();
  Status open_trace();
  sandbox::Attempt<void> prepare();
  void run_plan(size_t index, uint64_t seed);
  report::TestOutcome run_until_proven(size_t plan, size_t test, uint64_t seed);
  report::TestOutcome run_one(size_t plan, size_t test, uint64_t seed);
  report::TestOutcome wait_for_outcome(const plan::Test& test);
  std::optional<report::TestOutcome> decided_before(size_t plan, size_t test);
  std::optional<report::Verdict> baseline_of(const plan::Plan& plan, size_t test);
  int64_t timeout_of(const plan::Plan& plan, const plan::Test& test) const;
  Status ensure_worker();
  void end();

  const RunOptions& options_;
  std::vector<PlanRun>& plans_;
  Machine& machine_;
  HandMemory memory_;
  report::Reporter reporter_;
  std::unique_ptr<sandbox::Crew> crew_;
  std::optional<sandbox::Trouble> trouble_;  // why no test can run
  int worker_ = -1;
  uint32_t sandboxes_ = 0;
  std::map<size_t, report::Verdict> ended_;  // of the plan being run
  std::unique_ptr<KeptFiles> kept_;  // with --keep
  std::optional<observe::TraceWriter> trace_;
  int interrupted_by_ = 0;
  bool stop_ = false;
};

report::TestOutcome outcome_for(const plan::Test& test, report::Reason reason) {
  report::TestOutcome outcome{.name = test.name, .doc = test.doc, .place = test.place};
  outcome.verdict = reason.verdict;
  outcome.scenario = test.scenario;
  outcome.assumption = test.assumption;
  outcome.matrix = test.matrix;
  outcome.hidden = test.kind == plan::TestKind::kBaseline;
  outcome.reasons.push_back(std::move(reason));
  return outcome;
}

report::Reason inconclusive(std::string code, std::string text, std::string remedy = {}) {
  report::Reason reason;
  reason.verdict = report::Verdict::kInconclusive;
  reason.code = std::move(code);
  reason.text = std::move(text);
  reason.remedy = std::move(remedy);
  return reason;
}

// The selected tests with the fault-free runs that their cells need, in the plan's order.
std::vector<size_t> with_baselines(const PlanRun& run) {
  std::set<size_t> all(run.tests.begin(), run.tests.end());
  for (const size_t test : run.tests) {
    const int baseline = run.plan.tests[test].baseline;
    if (baseline >= 0) all.insert(static_cast<size_t>(baseline));
  }
  return {all.begin(), all.end()};
}

bool Front::check_binaries() {
  Diagnostics all;
  for (const PlanRun& run : plans_) {
    for (Diagnostic& one : service::check_binaries(run.plan)) all.push_back(std::move(one));
  }
  for (const Diagnostic& one : all) std::fprintf(stderr, "%s\n", one.text().c_str());
  return !has_errors(all);
}

// The invoking user's, and nobody else's.
Status Front::open_trace() {
  if (options_.trace.empty()) return {};
  auto writer = observe::TraceWriter::create(options_.trace, options_.seed);
  if (!writer) return std::unexpected(writer.error());
  const Result<service::Identity> user = service::invoking_user();
  if (!user) return std::unexpected(user.error());
  if (::fchown(writer->fd(), user->uid, user->gid) != 0)
    return fail_errno("giving away " + options_.trace);
  for (const PlanRun& run : plans_)
    if (Status added = writer->add_plan(plan::write_plan(run.plan)); !added) return added;
  trace_ = std::move(*writer);
  return {};
}

sandbox::Attempt<void> Front::prepare() {
  if (options_.keep) {
    auto kept = KeptFiles::create();
    if (!kept) return std::unexpected(sandbox::Trouble(kept.error()));
    kept_ = std::move(*kept);
  }
  const inject::Ground ground = machine_.survey();
  if (ground == inject::Ground::kRoot) {
    auto crew = sandbox::Crew::create();
    if (!crew) return std::unexpected(crew.error());
    crew_ = std::move(*crew);
    inject::Hooks hooks;
    for (const PlanRun& run : plans_) {
      for (const size_t test : with_baselines(run)) hooks |= inject::hooks_for(run.plan, test, options_.wishes);
    }
    return machine_.open(&crew_->group(), hooks);
  }
  const bool own = ground == inject::Ground::kUserNamespace;
  if (own)
    if (Status entered = sandbox::enter_user_namespace(); !entered)
      return sandbox::trouble(std::unexpected(entered.error()));
  auto crew = sandbox::Crew::create_unprivileged(own ? sandbox::Place::kUserNamespace
                                                     : sandbox::Place::kHost);
  if (!crew) return std::unexpected(crew.error());
  crew_ = std::move(*crew);
  return machine_.open(nullptr, {});
}

int Front::run() {
  if (!check_binaries()) return 1;
  if (Status opened = open_trace(); !opened) {
    std::fprintf(stderr, "fbx: --trace: %s\n", opened.error().text().c_str());
    return 1;
  }
  for (const PlanRun& run : plans_) memory_.look_at(run.plan);
  if (auto prepared = prepare(); !prepared) trouble_ = prepared.error();
  for (uint32_t round = 0; round < options_.runs && !stop_; ++round) {
    for (size_t i = 0; i < plans_.size() && !stop_; ++i) {
      run_plan(i, options_.seed + round * 0x9e3779b97f4a7c15ull);
    }
  }
  end();
  const int code = reporter_.finish();
  return interrupted_by_ != 0 ? 130 : code;
}

void Front::run_plan(size_t index, uint64_t seed) {
  const PlanRun& run = plans_[index];
  const uint64_t begin = now_ns();
  ended_.clear();
  reporter_.begin_run({.plan = &run.plan,
                       .spec_argument = run.argument,
                       .seed = seed,
                       .tests = run.tests.size(),
                       .flags = options_.flags});
  for (const size_t test : with_baselines(run)) {
    if (stop_) break;
    reporter_.test_started(run.plan.tests[test].name);
    const report::TestOutcome outcome = run_until_proven(index, test, seed);
    if (interrupted_by_ != 0) break;
    ended_[test] = outcome.verdict;
    reporter_.test_done(outcome);
    const bool failed = outcome.verdict == report::Verdict::kFail ||
                        outcome.verdict == report::Verdict::kError;
    if (options_.fail_fast && failed && !outcome.hidden) stop_ = true;
  }
  reporter_.end_run(static_cast<int64_t>(now_ns() - begin), interrupted_by_ != 0);
}

std::optional<report::TestOutcome> Front::decided_before(size_t index, size_t test) {
  const plan::Plan& plan = plans_[index].plan;
  if (trouble_) {
    const report::Reason reason =
        std::visit([](const auto& why) { return report::reason_of(why); }, *trouble_);
    return outcome_for(plan.tests[test], reason);
  }
  const auto assignment = inject::choose(plan, test, machine_.capabilities(), options_.wishes,
                                         memory_.known(index));
  if (assignment) return std::nullopt;
  return outcome_for(plan.tests[test], report::reason_of(assignment.error().front()));
}

std::optional<report::Verdict> Front::baseline_of(const plan::Plan& plan, size_t test) {
  const int baseline = plan.tests[test].baseline;
  if (baseline < 0) return std::nullopt;
  const auto found = ended_.find(static_cast<size_t>(baseline));
  return found != ended_.end() ? found->second : report::Verdict::kInconclusive;
}

int64_t Front::timeout_of(const plan::Plan& plan, const plan::Test& test) const {
  if (options_.timeout_ns > 0) return options_.timeout_ns;
  return test.timeout_ns > 0 ? test.timeout_ns : plan.timeout_ns;
}

Status Front::ensure_worker() {
  if (worker_ >= 0) return {};
  std::vector<const plan::Plan*> plans;
  for (const PlanRun& run : plans_) plans.push_back(&run.plan);
  Result<int> worker = crew_->spawn_worker([this, plans](sandbox::WorkerContext& context) {
    return serve(context, machine_, plans, memory_.programs(), trace_ ? &*trace_ : nullptr);
  });
  if (!worker) return fail_in(std::move(worker), "starting a worker");
  worker_ = *worker;
  sandboxes_ = 0;
  return {};
}

// A test in which calls escaped their hand is repeated once, with the supervisor in its place.
report::TestOutcome Front::run_until_proven(size_t plan, size_t test, uint64_t seed) {
  report::TestOutcome first = run_one(plan, test, seed);
  const plan::Plan& of = plans_[plan].plan;
  if (stop_ || !memory_.learn(plan, of, first)) return first;
  report::TestOutcome second = run_one(plan, test, seed);
  second.notes.push_back(repetition_text(of, first));
  return second;
}

report::TestOutcome Front::run_one(size_t plan, size_t test, uint64_t seed) {
  const PlanRun& run = plans_[plan];
  const plan::Test& what = run.plan.tests[test];
  if (auto decided = decided_before(plan, test)) return std::move(*decided);
  if (Status ready = ensure_worker(); !ready) {
    return outcome_for(what, report::reason_of(ready.error()));
  }
  const Order order{.plan = static_cast<uint32_t>(plan),
                    .test = static_cast<uint32_t>(test),
                    .number = sandboxes_++,
                    .seed = seed,
                    .timeout_ns = timeout_of(run.plan, what),
                    .strict = options_.strict,
                    .keep_folder = kept_ ? kept_->folder_for(what.name) : "",
                    .baseline = baseline_of(run.plan, test),
                    .escaped = memory_.known(plan).escaped};
  // A worker that is gone is noticed by the wait below.
  static_cast<void>(crew_->send(worker_, to_text(order)));
  return wait_for_outcome(what);
}

report::TestOutcome Front::wait_for_outcome(const plan::Test& test) {
  using Kind = sandbox::CrewEvent::Kind;
  for (;;) {
    sandbox::CrewEvent event = crew_->next_event();
    switch (event.kind) {
      case Kind::kMessage: {
        auto outcome = report::outcome_from_json(event.message);
        if (outcome) return std::move(*outcome);
        return outcome_for(test, report::reason_of(outcome.error()));
      }
      case Kind::kWorkerExited:
        worker_ = -1;
        return outcome_for(
            test, inconclusive("worker-died", "fbx's own worker " +
                                                  service::describe_wait_status(event.wait_status) +
                                                  " in the middle of the test"));
      case Kind::kKeeperDied:
        stop_ = true;
        return outcome_for(test, inconclusive("keeper-died",
                                              "fbx's own keeper was killed; the run is over"));
      case Kind::kBroken:
        stop_ = true;
        return outcome_for(test, inconclusive("internal", event.message));
      case Kind::kInterrupted:
        stop_ = true;
        interrupted_by_ = event.signal;
        return outcome_for(test, inconclusive("interrupted", "interrupted"));
      case Kind::kTimeout:
        break;
    }
  }
}

void Front::end() {
  if (kept_) {
    if (Status given = kept_->give_away(); !given) {
      std::fprintf(stderr, "fbx: %s\n", given.error().text().c_str());
    }
  }
  if (!crew_) return;
  if (worker_ >= 0) crew_->stop_workers(kStopGrace);
  for (const std::string& left : crew_->finish()) {
    std::fprintf(stderr, "fbx: left behind: %s\n", left.c_str());
  }
}

}  // namespace

int run(const RunOptions& options, std::vector<PlanRun> plans, std::unique_ptr<Machine> machine) {
  return Front(options, plans, *machine).run();
}

}  // namespace fbx::run
