// SPDX-License-Identifier: Apache-2.0
#include "runner/check/order.h"

#include <algorithm>
#include <map>

#include "runner/check/counting.h"

namespace fbx::check {

namespace {

using How = Judged::How;
using Kind = model::LookBack::Kind;
using observe::Event;

Judged answer(How how, const std::string& text) {
  Judged judged;
  judged.how = how;
  judged.code = how == How::kFailed ? "assertion" : "";
  judged.text = text;
  return judged;
}

Judged doubted(const std::string& name, const Doubtful& doubt) {
  Judged judged = open_question(doubt.code, name + " can't be judged: " + doubt.text);
  judged.remedy = doubt.remedy;
  return judged;
}

// What surely counts, and what may: undecided matches, and effects that are in flight.
struct Sorted {
  std::vector<uint64_t> sure, perhaps;
};

Sorted sort_out(const CompiledFilter& filter, LookBacks& look_backs, const Seen& seen,
                uint64_t window_ns) {
  const LookBacks::Matches matches = look_backs.matching(filter, window_ns);
  const Counted sure = count_all(filter, Kind::kEventually, *seen.store, matches);
  // A never counts what is in flight: those it has more may still become successes.
  const Counted most = count_all(filter, Kind::kNever, *seen.store, matches);
  Sorted out{sure.counted, most.unsure};
  std::set_difference(most.counted.begin(), most.counted.end(), sure.counted.begin(),
                      sure.counted.end(), std::back_inserter(out.perhaps));
  std::sort(out.perhaps.begin(), out.perhaps.end());
  return out;
}

std::string calls(uint64_t n) { return std::to_string(n) + (n == 1 ? " event" : " events"); }

std::string range_text(const CountWanted& wanted) {
  if (wanted.least == wanted.most) return std::to_string(wanted.least);
  if (wanted.most == UINT64_MAX) return "at least " + std::to_string(wanted.least);
  return std::to_string(wanted.least) + " to " + std::to_string(wanted.most);
}

Judged count_with(const CompiledFilter& filter, LookBacks& look_backs, const CountWanted& wanted,
                  const Seen& seen, uint64_t window_ns) {
  const std::string name =
      "assert_count(" + range_text(wanted) + ", " + wanted.filter.display + ")";
  const Sorted found = sort_out(filter, look_backs, seen, window_ns);
  const uint64_t low = found.sure.size(), high = low + found.perhaps.size();
  const auto failed = [&] {
    Judged judged = answer(How::kFailed, name + " did not hold: " + calls(low));
    judged.actual = calls(low);
    judged.expected = range_text(wanted);
    if (low > wanted.most) judged.event = found.sure[wanted.most];
    return judged;
  };
  if (low > wanted.most) return failed();
  const bool enough = low >= wanted.least;
  // Nothing that comes to light could break it any more.
  if (enough && wanted.most == UINT64_MAX) return answer(How::kHeld, name + " held");
  if (const auto doubt = doubt_about_absence(filter, seen, {})) return doubted(name, *doubt);
  if (high < wanted.least) return failed();
  if (enough && high <= wanted.most) return answer(How::kHeld, name + " held: " + calls(low));
  const Event& event = seen.store->at(found.perhaps.front());
  return open_question("undecided-event",
                       name + " can't be judged: " + calls(low) +
                           ", and this may or may not count: " + event_text(seen, event) +
                           and_more(found.perhaps.size()));
}

// ---- before

struct Pair {
  std::vector<uint64_t> firsts, perhaps_firsts, thens, perhaps_thens;
};

uint64_t end_of(const Event& event) {
  return event.state == observe::CallState::kInFlight ? UINT64_MAX
                                                      : std::max(event.end_ns, event.begin_ns);
}

class Before {
 public:
  Before(const BeforeWanted& wanted, const Seen& seen) : wanted_(wanted), seen_(seen) {
    name_ = "assert_before(first={" + wanted.first.display + "}, then={" + wanted.then.display +
            "})";
  }
  [[nodiscard]] const std::string& name() const { return name_; }

  // The worst of the keys: failed before inconclusive before held.
  Judged judge(const Sorted& firsts, const Sorted& thens, const std::optional<Doubtful>& missing) {
    std::map<std::string, Pair> by_key;
    for (const uint64_t seq : firsts.sure) by_key[key(seq)].firsts.push_back(seq);
    for (const uint64_t seq : firsts.perhaps) by_key[key(seq)].perhaps_firsts.push_back(seq);
    for (const uint64_t seq : thens.sure) by_key[key(seq)].thens.push_back(seq);
    for (const uint64_t seq : thens.perhaps) by_key[key(seq)].perhaps_thens.push_back(seq);
    Judged worst = answer(How::kHeld, name_ + " held");
    for (auto& [text, pair] : by_key) {
      Judged one = judge_key(pair, missing);
      if (one.how == How::kFailed) return one;
      if (one.how == How::kInconclusive) worst = std::move(one);
    }
    return worst;
  }

 private:
  [[nodiscard]] const Event& at(uint64_t seq) const { return seen_.store->at(seq); }
  [[nodiscard]] std::string key(uint64_t seq) const {
    return wanted_.key ? wanted_.key(at(seq)) : "";
  }

  Judged judge_key(Pair& pair, const std::optional<Doubtful>& missing) {
    const auto by_begin = [this](uint64_t a, uint64_t b) {
      return std::pair(begin_of(at(a)), a) < std::pair(begin_of(at(b)), b);
    };
    std::sort(pair.thens.begin(), pair.thens.end(), by_begin);
    std::vector<uint64_t> every = pair.thens;  // with those that may count
    every.insert(every.end(), pair.perhaps_thens.begin(), pair.perhaps_thens.end());
    std::sort(every.begin(), every.end(), by_begin);
    for (size_t k = 0; k < pair.thens.size() && (wanted_.each || k == 0); ++k) {
      Judged one = judge_then(pair, pair.thens[k], k + 1, missing);
      if (one.how != How::kHeld) return one;
    }
    // Each that may count moves the later ones up by one.
    for (size_t k = 0; k < every.size() && (wanted_.each || k == 0); ++k) {
      if (definitely_before(pair.firsts, every[k]) < k + 1)
        return uncertain(every[k], std::nullopt);
    }
    return answer(How::kHeld, "");
  }

  [[nodiscard]] size_t definitely_before(const std::vector<uint64_t>& firsts, uint64_t then) const {
    return static_cast<size_t>(std::count_if(firsts.begin(), firsts.end(), [&](uint64_t first) {
      return end_of(at(first)) <= begin_of(at(then));
    }));
  }

  // The k-th `then`: k firsts before it for certain, perhaps, or certainly not.
  Judged judge_then(const Pair& pair, uint64_t then, size_t k,
                    const std::optional<Doubtful>& missing) {
    if (definitely_before(pair.firsts, then) >= k) return answer(How::kHeld, "");
    size_t possible = 0;
    std::optional<uint64_t> other;
    for (const auto* firsts : {&pair.firsts, &pair.perhaps_firsts}) {
      for (const uint64_t first : *firsts) {
        if (begin_of(at(first)) >= end_of(at(then))) continue;
        ++possible;
        const bool certain = firsts == &pair.firsts && end_of(at(first)) <= begin_of(at(then));
        if (!certain) other = first;
      }
    }
    if (possible >= k) return uncertain(then, other);
    if (missing) return doubted(name_, *missing);
    Judged judged = answer(How::kFailed, name_ + " did not hold: " + event_text(seen_, at(then)) +
                                             " has " + std::to_string(possible) + " of " +
                                             std::to_string(k) + " before it");
    judged.event = then;
    judged.actual = std::to_string(possible) + " before " + event_text(seen_, at(then));
    judged.expected = std::to_string(k);
    return judged;
  }

  [[nodiscard]] Judged uncertain(uint64_t then, std::optional<uint64_t> first) const {
    std::string text = name_ + " can't be judged: which came first is not certain: " +
                       event_text(seen_, at(then));
    if (first) text += " | " + event_text(seen_, at(*first));
    Judged judged = open_question("uncertain-order", text);
    judged.event = then;
    return judged;
  }

  const BeforeWanted& wanted_;
  const Seen& seen_;
  std::string name_;
};

// A damaged filter is fbx's mistake, not the service's.
Judged internal(const Error& error) { return open_question("internal", error.text()); }

}  // namespace

Judged judge_count(LookBacks& look_backs, const CountWanted& wanted, const Place& place,
                   const Seen& seen, uint64_t window_ns) {
  const auto filter = CompiledFilter::compile(wanted.filter, *seen.plan);
  Judged judged = filter ? count_with(*filter, look_backs, wanted, seen, window_ns)
                         : internal(filter.error());
  judged.place = place;
  return judged;
}

Judged judge_before(LookBacks& look_backs, const BeforeWanted& wanted, const Place& place,
                    const Seen& seen, uint64_t window_ns) {
  const auto first = CompiledFilter::compile(wanted.first, *seen.plan);
  const auto then = CompiledFilter::compile(wanted.then, *seen.plan);
  Judged judged;
  if (!first || !then) {
    judged = internal(first ? then.error() : first.error());
  } else {
    Before before(wanted, seen);
    const Sorted firsts = sort_out(*first, look_backs, seen, window_ns);
    const Sorted thens = sort_out(*then, look_backs, seen, window_ns);
    judged = before.judge(firsts, thens, doubt_about_absence(*first, seen, {}));
    // A `then` that nobody saw may have come too early.
    const auto unseen = doubt_about_absence(*then, seen, {});
    if (judged.how == How::kHeld && unseen) judged = doubted(before.name(), *unseen);
  }
  judged.place = place;
  return judged;
}

Listing list_events(LookBacks& look_backs, const model::Filter& filter, const Place& place,
                    const Seen& seen, uint64_t window_ns) {
  Listing listing;
  const auto compiled = CompiledFilter::compile(filter, *seen.plan);
  if (!compiled) {
    listing.doubt = internal(compiled.error());
  } else {
    LookBacks::Matches matches = look_backs.matching(*compiled, window_ns);
    listing.seqs = std::move(matches.sure);
    // By time: what a hand alone knows comes into the store late.
    std::ranges::sort(listing.seqs, {}, [&seen](uint64_t seq) {
      return std::pair(begin_of(seen.store->at(seq)), seq);
    });
    if (const auto doubt = doubt_about_absence(*compiled, seen, matches.unsure))
      listing.doubt = doubted("events(" + filter.display + ")", *doubt);
  }
  if (listing.doubt) listing.doubt->place = place;
  return listing;
}

Result<uint64_t> last_event_ns(LookBacks& look_backs, const model::Filter& filter,
                               const Seen& seen, uint64_t window_ns) {
  const auto compiled = CompiledFilter::compile(filter, *seen.plan);
  if (!compiled) return std::unexpected(compiled.error());
  const LookBacks::Matches matches = look_backs.matching(*compiled, window_ns);
  uint64_t last = 0;
  for (const auto* seqs : {&matches.sure, &matches.unsure})
    for (const uint64_t seq : *seqs) last = std::max(last, end_of(seen.store->at(seq)));
  return last;
}

}  // namespace fbx::check
