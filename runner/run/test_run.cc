// SPDX-License-Identifier: Apache-2.0
#include "runner/run/test_run.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "runner/check/facts.h"
#include "runner/check/timeline.h"
#include "runner/inject/seccomp_filter.h"
#include "runner/inject/watched_calls.h"
#include "runner/report/run_verdict.h"
#include "runner/run/body.h"
#include "runner/run/deadline.h"
#include "runner/run/left_overs.h"
#include "runner/run/outside.h"
#include "runner/run/watch.h"
#include "runner/sandbox/sandbox.h"
#include "runner/service/binary.h"
#include "runner/service/identity.h"
#include "runner/service/service_set.h"
#include "runner/step/peer_owner.h"
#include "runner/step/step_client.h"
#include "spec/model/session.h"

namespace fbx::run {

namespace {

constexpr size_t kOutputLines = 10;

// A test on its way from sandbox to outcome. The members stand in the order in which they come to
// life; teardown() ends them the other way round.
class TestRun {
 public:
  explicit TestRun(const TestContext& context) : context_(context), plan_(*context.plan) {
    facts_.plan = context.plan;
    facts_.test = context.test;
    facts_.baseline = context.baseline;
    facts_.strict = context.strict;
  }

  report::TestOutcome run() {
    const uint64_t begin = now_ns();
    if (Status done = go(); !done) add_error(done.error());
    finish();
    if (Status kept = keep_trace(); !kept) add_error(kept.error());
    report::TestOutcome outcome = describe();
    outcome.duration_ns = static_cast<int64_t>(now_ns() - begin);
    return outcome;
  }

 private:
  Status go();
  Status make_sandbox();
  Status begin_hands();
  Status start_services();
  Status run_body();
  void finish();
  void teardown();
  void conclude();
  void keep_files();
  Status keep_trace();
  report::TestOutcome describe();
  void describe_failure(report::TestOutcome& outcome);

  Result<service::BirthHook> birth_hook(int16_t service);
  void add_error(const Error& error) { refuse_with(error.text(), "internal"); }
  void add_trouble(const sandbox::Trouble& trouble) {
    if (const auto* refusal = std::get_if<Refusal>(&trouble)) {
      facts_.refusals.push_back(*refusal);
    } else {
      add_error(std::get<Error>(trouble));
    }
  }
  void refuse_with(const std::string& text, const char* code) {
    facts_.doubts.push_back(
        {.how = check::Judged::How::kInconclusive, .code = code, .text = text});
  }

  const TestContext& context_;
  const plan::Plan& plan_;
  check::Facts facts_;
  Deadline deadline_;
  std::unique_ptr<sandbox::Sandbox> sandbox_;
  observe::TestWatch watch_;
  bool observing_ = false, injecting_ = false;
  std::vector<uint64_t> in_flight_;  // at the last barrier
  std::unique_ptr<sandbox::NetworkVisit> visit_;
  std::unique_ptr<service::ServiceSet> services_;
  std::unique_ptr<step::StepClient> steps_;
  std::unique_ptr<Body> body_;
  std::string kept_;
  std::vector<report::ServiceOutput> outputs_;
  std::vector<std::string> notes_;
  std::vector<std::string> left_over_;
};

Status TestRun::go() {
  Result<Deadline> deadline = Deadline::create(context_.worker->stop_fd);
  if (!deadline) return fail_in(std::move(deadline), "preparing the test");
  deadline_ = std::move(*deadline);
  if (Status made = make_sandbox(); !made || !sandbox_) return made;
  if (Status begun = begin_hands(); !begun) return begun;
  if (Status started = start_services(); !started || facts_.start_failure) return started;
  return run_body();
}

Status TestRun::make_sandbox() {
  sandbox::SandboxOptions options{
      .spec_dir = plan_.spec_dir,
      .host_network = plan_.network == plan::Network::kHost,
      .overlay_tmp = plan_.tmp == plan::Tmp::kOverlay,
      .visible_files = service::executed_files(plan_),
      .services = plan_.services.size(),
  };
  auto made = sandbox::Sandbox::create(*context_.worker, context_.number, options);
  if (!made) {
    add_trouble(made.error());
    return {};
  }
  sandbox_ = std::move(*made);
  visit_ = std::make_unique<sandbox::NetworkVisit>(*sandbox_);
  return visit_->status();
}

Status TestRun::begin_hands() {
  inject::TestInject inject{.plan = &plan_,
                            .test = context_.test,
                            .seed = test_seed(context_.seed, plan_.tests[context_.test].name),
                            .known = *context_.known,
                            .root = "/proc/self/fd/" + std::to_string(sandbox_->root_fd()),
                            .services = {},
                            .store = &context_.observer->store()};
  watch_.client_cgroup_id = context_.worker->cgroup_id;
  watch_.client_leaf_id = sandbox_->client_leaf().id();
  for (size_t i = 0; i < plan_.services.size(); ++i) {
    const auto index = static_cast<int16_t>(i);
    const uint64_t cgroup = sandbox_->leaf(i).id();
    watch_.services.push_back({.index = index,
                               .cgroup_id = cgroup,
                               .syscalls = inject::watched_calls(plan_, context_.test, i)});
    inject.services.push_back({.index = index, .cgroup_id = cgroup});
  }
  if (Status begun = context_.observer->begin_test(watch_); !begun) {
    return fail_in(std::move(begun), "beginning to watch");
  }
  observing_ = true;
  inject.store = &context_.observer->store();
  if (Status begun = context_.injector->begin_test(inject); !begun) {
    return fail_in(std::move(begun), "preparing the faults");
  }
  injecting_ = true;
  return {};
}

Result<service::BirthHook> TestRun::birth_hook(int16_t service) {
  Result<inject::BirthNeeds> needs = context_.injector->birth_needs(service);
  if (!needs) return std::unexpected(needs.error());
  if (!needs->environment.empty() && needs->supervised.empty())
    return service::BirthHook{
        .in_child = {},
        .adopt = {},
        .environment = std::move(needs->environment),
        .executed = [this, service](pid_t pid) { return context_.injector->executed(service, pid); },
    };
  auto program = std::make_shared<std::vector<sock_filter>>(inject::seccomp_program(
      needs->supervised, !plan_.services[static_cast<size_t>(service)].io_uring,
      needs->probe_tag));
  if (program->empty()) return service::BirthHook{};
  return service::BirthHook{
      .in_child =
          [program] {
            return inject::install_seccomp(program->data(),
                                           static_cast<uint16_t>(program->size()));
          },
      .adopt = [this, service](int fd) { return context_.injector->adopt_listener(service, fd); },
      .environment = std::move(needs->environment),
      .executed = {},
  };
}

Status TestRun::start_services() {
  services_ = std::make_unique<service::ServiceSet>(service::ServiceSetOptions{
      .plan = &plan_,
      .sandbox = sandbox_.get(),
      .hook = [this](int16_t service) { return birth_hook(service); },
      .while_waiting = [this] { static_cast<void>(context_.observer->pump()); },
      .stop_fd = context_.worker->stop_fd,
  });
  steps_ = std::make_unique<step::StepClient>(plan_, service::owners_of(*sandbox_, plan_.services.size()),
                                              deadline_.fd());
  steps_->look_up_paths_in(sandbox_->root_fd());
  if (const int ring = context_.observer->poll_fd(); ring >= 0) {
    steps_->meanwhile(ring, [this] { static_cast<void>(context_.observer->pump()); });
  }
  body_ = std::make_unique<Body>(BodyParts{.plan = &plan_,
                                           .test = context_.test,
                                           .observer = context_.observer,
                                           .injector = context_.injector,
                                           .sandbox = sandbox_.get(),
                                           .services = services_.get(),
                                           .steps = steps_.get(),
                                           .deadline = &deadline_,
                                           .watch = &watch_},
                                 facts_);
  std::optional<service::StartFailure> failure = services_->start_all();
  if (!failure) return {};
  using Kind = service::StartFailure::Kind;
  switch (failure->kind) {
    case Kind::kExec:
    case Kind::kPrepare:
    case Kind::kDied:
    case Kind::kNotReady:
      facts_.start_failure = failure->text;
      facts_.start_failed = failure->service;
      break;
    case Kind::kForeign:
      facts_.start_failure.reset();
      refuse_with(failure->text, "foreign-answer");
      if (failure->service >= 0)
        facts_.doubts.back().place = plan_.services[static_cast<size_t>(failure->service)].place;
      if (plan_.network == plan::Network::kHost)
        facts_.doubts.back().remedy = "end it, or leave out network=\"host\"";
      return {};
    case Kind::kSetup:
    case Kind::kNotYet:
    case Kind::kInterrupted:
      refuse_with(failure->text, "not-started");
      return {};
  }
  return {};
}

Status TestRun::run_body() {
  if (!facts_.doubts.empty()) return {};
  body_->pump();
  Result<std::unique_ptr<model::Session>> session = model::Session::start(
      plan_, context_.test,
      {.seed = test_seed(context_.seed, plan_.tests[context_.test].name),
       .events = &body_->events()});
  if (!session) return fail_in(std::move(session), "loading the test's code");
  if (Status armed = deadline_.arm(context_.timeout_ns); !armed) return armed;
  body_->run(**session);
  return {};
}

void TestRun::finish() {
  if (injecting_) {
    LeftOvers left = lift_left_overs(plan_, *context_.injector);
    left_over_ = std::move(left.notes);
    if (!left.lifted) refuse_with(left.lifted.error().text(), "not-lifted");
  }
  if (body_) body_->pump();
  if (observing_) {
    // The last look: what the verdict says about dials and losses is exact, too.
    if (Result<observe::BarrierResult> barrier = context_.observer->barrier(); !barrier) {
      refuse_with(barrier.error().text(), "events-lost");
    } else {
      in_flight_ = std::move(barrier->in_flight);
    }
    if (injecting_) {
      if (Status collected = context_.injector->collect(); !collected) {
        refuse_with(collected.error().text(), "hands");
      }
    }
    if (body_ && body_->began_ns() != 0) {
      if (auto unseen = unseen_service(plan_, context_.observer->store())) {
        facts_.doubts.push_back(std::move(*unseen));
      }
    }
    facts_.store = &context_.observer->store();
    facts_.watch = &watch_;
    for (check::Judged& doubt : outside_dials(plan_, context_.observer->store())) {
      facts_.doubts.push_back(std::move(doubt));
    }
  }
  teardown();
}

void TestRun::teardown() {
  if (services_) {
    if (body_) body_->pump();
    for (const service::Exit& exit : services_->stop_all()) facts_.exits.push_back(fact_of(exit));
    if (body_) body_->pump();
    for (size_t i = 0; i < plan_.services.size(); ++i) {
      report::ServiceOutput output{.service = plan_.services[i].name, .lines = {}};
      for (const auto& line : services_->last_output(static_cast<int16_t>(i), kOutputLines)) {
        output.lines.push_back((line.is_stderr ? "stderr: " : "stdout: ") + line.text);
      }
      if (!output.lines.empty()) outputs_.push_back(std::move(output));
    }
  }
  steps_.reset();
  conclude();
  if (injecting_) {
    if (Status ended = context_.injector->end_test(); !ended) add_error(ended.error());
  }
  keep_files();
  if (services_) notes_ = services_->notes();
  services_.reset();
  visit_.reset();
  if (sandbox_) {
    for (std::string& left : sandbox_->destroy()) facts_.residue.push_back(std::move(left));
  }
}

// The services are dead: the books of both sides are closed, and must agree.
void TestRun::conclude() {
  if (!observing_) return;
  if (Status ended = context_.observer->end_test(); !ended) {
    refuse_with(ended.error().text(), "events-lost");
  }
  facts_.loss = context_.observer->loss();
  if (!injecting_) return;
  if (Status concluded = context_.injector->conclude(); !concluded) {
    refuse_with(concluded.error().text(), "hands");
  }
  facts_.rules = context_.injector->log().rules;
  facts_.after_lost_sync = context_.injector->log().after_lost_sync;
}

void TestRun::keep_files() {
  if (!sandbox_ || context_.keep_folder.empty()) return;
  const Result<service::Identity> user = service::invoking_user();
  const Status kept = user ? sandbox_->keep(context_.keep_folder, user->uid, user->gid)
                           : Status(std::unexpected(user.error()));
  if (kept) {
    kept_ = context_.keep_folder;
  } else {
    facts_.residue.push_back("the test's files could not be kept: " + kept.error().text());
  }
}

Status TestRun::keep_trace() {
  if (context_.trace == nullptr || !observing_) return {};
  const observe::Recording recording{.plan = context_.plan_number,
                                     .test = static_cast<uint32_t>(context_.test),
                                     .services = static_cast<uint32_t>(plan_.services.size()),
                                     .seed = context_.seed,
                                     .body_ns = body_ ? body_->began_ns() : 0,
                                     .ended_ns = facts_.ended_ns,
                                     .loss = facts_.loss,
                                     .watch = watch_,
                                     .escapes = context_.observer->escapes(),
                                     .in_flight = in_flight_,
                                     .store = &context_.observer->store()};
  Status kept = context_.trace->add_test(recording);
  return kept ? kept : fail_in(std::move(kept), "keeping the trace");
}

report::TestOutcome TestRun::describe() {
  const plan::Test& test = plan_.tests[context_.test];
  report::TestOutcome outcome{.name = test.name, .doc = test.doc, .place = test.place};
  outcome.known_reason = test.known_failure.value_or("");
  outcome.scenario = test.scenario;
  outcome.assumption = test.assumption;
  outcome.matrix = test.matrix;
  outcome.hidden = test.kind == plan::TestKind::kBaseline;
  outcome.kept = kept_;
  if (body_) outcome.printed = body_->printed();
  outcome.notes = notes_;
  std::ranges::copy(left_over_, std::back_inserter(outcome.notes));
  check::judge(facts_, outcome);
  for (const inject::RuleEntry& rule : facts_.rules) {
    if (rule.kind != inject::RuleEntry::Kind::kFault) continue;
    outcome.hands[plan_.services[rule.rule.service].name + "." + rule.rule.keyword] =
        std::string(inject::hand_name(rule.hand)) + (rule.past_shim && rule.hand == inject::Hand::kShim ? ", gate" : "");
    if (rule.hand != inject::Hand::kSeccomp && rule.hand != inject::Hand::kWire &&
        !rule.escapes.empty())
      outcome.escaped.push_back({rule.rule.service, rule.rule.keyword, rule.escapes.front()});
  }
  if (outcome.verdict != report::Verdict::kPass) describe_failure(outcome);
  return outcome;
}

void TestRun::describe_failure(report::TestOutcome& outcome) {
  outcome.outputs = outputs_;
  if (facts_.ended) outcome.traceback = facts_.ended->traceback;
  if (body_) outcome.step_in_flight = body_->last_step();
  if (!observing_) return;
  check::TimelineFocus focus{.body_ns = body_ ? body_->began_ns() : 0,
                             .until_ns = facts_.ended_ns};
  for (const check::Judged& judged : facts_.judged) {
    if (judged.event != 0 && judged.how != check::Judged::How::kHeld) focus.event = judged.event;
  }
  outcome.events = check::timeline(plan_, context_.observer->store(), focus);
}

}  // namespace

uint64_t test_seed(uint64_t run_seed, const std::string& test) {
  // FNV-1a over the name, started from the run's seed: the same on every machine.
  uint64_t hash = 14695981039346656037ull ^ run_seed;
  for (const char c : test) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

report::TestOutcome run_test(const TestContext& context) { return TestRun(context).run(); }

}  // namespace fbx::run
