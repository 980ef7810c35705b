// SPDX-License-Identifier: Apache-2.0
#include "runner/check/counting.h"

#include <sys/syscall.h>

#include <algorithm>

#include "bpf/abi/tables.h"
#include "runner/check/timeline.h"

namespace fbx::check {

using observe::Event;
using observe::EventStore;

namespace {

enum class Count { kCounted, kListed, kIgnored, kOpen };

// Does this call count for the look-back? The table of LANGUAGE section 7.
Count count(const CompiledFilter& filter, model::LookBack::Kind kind, const Event& event) {
  const bool never = kind == model::LookBack::Kind::kNever;
  const Fate end = fate(event);
  if (end == Fate::kInFlight && !has_effects(event)) return Count::kIgnored;
  // It has begun, which is enough for a never and for a filter that takes attempts; whether it
  // succeeded is not known.
  if (end == Fate::kUnknown) {
    const bool attempts = never || filter.names_outcome();
    return attempts && !filter.asks_for_result() ? Count::kCounted : Count::kOpen;
  }
  if (!filter.names_outcome() || filter.ok() == true) {
    if (end == Fate::kSuccess) return Count::kCounted;
    if (end == Fate::kInFlight) return never ? Count::kCounted : Count::kIgnored;
    return filter.ok() == true ? Count::kIgnored : Count::kListed;
  }
  if (filter.ok() == false) return end == Fate::kFailure ? Count::kCounted : Count::kIgnored;
  return Count::kCounted;
}

// The first call that the filter could see and nobody recorded, as "inventory's fsync".
std::optional<std::string> unwatched(const CompiledFilter& filter, const Seen& seen) {
  for (size_t i = 0; i < seen.plan->services.size(); ++i) {
    if (filter.service() && *filter.service() != i) continue;
    const auto watched =
        std::find_if(seen.watch->services.begin(), seen.watch->services.end(),
                     [i](const auto& w) { return w.index == static_cast<int16_t>(i); });
    for (const uint16_t nr : filter.syscalls()) {
      const bool recorded =
          watched != seen.watch->services.end() &&
          std::binary_search(watched->syscalls.begin(), watched->syscalls.end(), nr);
      if (!recorded) return seen.plan->services[i].name + "'s " + syscall_name(nr);
    }
  }
  return std::nullopt;
}

// A writable shared mapping of a file does what the calls of the write family do, to that file alone; a
// ring of asynchronous calls may do anything.
bool may_have_done(const CompiledFilter& filter, const Seen& seen, const Event& escape) {
  if (filter.service() && static_cast<int16_t>(*filter.service()) != escape.service) return false;
  const abi::Syscall* row = abi::find_syscall(escape.nr);
  if (row == nullptr || (row->traits & FBX_TRAIT_ESCAPES) != 0) return true;
  const bool about_writing = std::ranges::any_of(filter.syscalls(), [](uint16_t nr) {
    const abi::Syscall* call = abi::find_syscall(nr);
    return call != nullptr && (call->families & FBX_F_WRITE) != 0;
  });
  return about_writing && filter.may_concern(*seen.store, escape);
}

// The first call by which work was done that no system call of the filter shows.
const Event* first_escape(const CompiledFilter& filter, const Seen& seen) {
  if (!filter.about_syscalls()) return nullptr;
  for (const uint64_t seq : seen.escapes) {
    const Event& escape = seen.store->at(seq);
    if (may_have_done(filter, seen, escape)) return &escape;
  }
  return nullptr;
}

}  // namespace

Counted count_all(const CompiledFilter& filter, model::LookBack::Kind kind,
                  const EventStore& store, const LookBacks::Matches& matches) {
  Counted out;
  for (const uint64_t seq : matches.sure) {
    const Count how = count(filter, kind, store.at(seq));
    if (how == Count::kCounted) out.counted.push_back(seq);
    if (how == Count::kListed) out.listed.push_back(seq);
    if (how == Count::kOpen) out.unsure.push_back(seq);
  }
  for (const uint64_t seq : matches.unsure)
    if (const Count how = count(filter, kind, store.at(seq));
        how == Count::kCounted || how == Count::kOpen)
      out.unsure.push_back(seq);
  return out;
}

std::optional<Doubtful> doubt_about_loss(const plan::Plan& plan, const observe::Loss& loss) {
  if (!loss.all_came()) {
    return Doubtful{"events-lost",
                    "of " + std::to_string(loss.written) + " records " + std::to_string(loss.kept) +
                        " were kept, " + std::to_string(loss.filtered) + " filtered and " +
                        std::to_string(loss.lost) + " lost",
                    "run fewer tests at once (-j), or watch fewer calls"};
  }
  if (!loss.left) return std::nullopt;
  return Doubtful{"left-cgroup",
                  "process " + std::to_string(loss.left->pid) + " (" + loss.left->exe + ") of " +
                      plan.services[static_cast<size_t>(loss.left->service)].name +
                      " left its cgroup: from then on its calls are neither seen nor broken",
                  "a service that moves its processes to other cgroups can't be tested"};
}

std::optional<Doubtful> doubt_about_absence(const CompiledFilter& filter, const Seen& seen,
                                            const std::vector<uint64_t>& unsure) {
  if (const auto missing = unwatched(filter, seen))
    return Doubtful{"not-watched", *missing + " was not recorded", ""};
  if (auto doubt = doubt_about_loss(*seen.plan, seen.loss)) return doubt;
  if (!seen.barrier.exact)
    return Doubtful{"inexact-barrier",
                    "what has just happened is not all known: " + seen.barrier.why, "run it again"};
  if (const Event* escape = first_escape(filter, seen))
    return Doubtful{"escaped-seeing",
                    "what was done through this can't be seen: " + event_text(seen, *escape),
                    escape->nr == SYS_mmap ? "" : "io_uring=False refuses an io_uring to the service"};
  if (!unsure.empty()) {
    const Event& event = seen.store->at(unsure.front());
    if (fate(event) == Fate::kUnknown)
      return Doubtful{"result-unknown",
                      "the supervisor saw this call begin and not how it ended: " +
                          event_text(seen, event) + and_more(unsure.size()),
                      "run it with sudo: then the kernel records results"};
    return Doubtful{"undecided-event",
                    "whether this event matches can't be told: " + event_text(seen, event) +
                        and_more(unsure.size()),
                    ""};
  }
  return std::nullopt;
}

Judged open_question(const std::string& code, const std::string& text) {
  Judged judged;
  judged.how = Judged::How::kInconclusive;
  judged.code = code;
  judged.text = text;
  return judged;
}

std::string event_text(const Seen& seen, const Event& event) {
  return column_of(*seen.plan, event) + ": " + describe(*seen.plan, *seen.store, event);
}

std::string and_more(size_t all) {
  return all > 1 ? " (and " + std::to_string(all - 1) + " more)" : "";
}

// A call that seccomp denied has no begin of its own.
uint64_t begin_of(const Event& event) {
  const bool unknown = event.begin_ns == 0 || (event.flags & observe::kBeginUnknown) != 0;
  return unknown ? event.end_ns : event.begin_ns;
}

}  // namespace fbx::check
