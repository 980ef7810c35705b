// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/need_text.h"

#include "bpf/abi/tables.h"
#include "spec/starlark/core_text.h"

namespace fbx::plan {

namespace {

constexpr std::array<std::string_view, 3> kWords = {"False", "None", "True"};
// Of calls. Events of other types have fields, which can have any name.
constexpr std::array<std::string_view, 11> kInterestKeys = {
    "path", "on", "fd", "ok", "errno", "decision", "label", "op", "peer", "pid", "exe"};
constexpr std::array<std::string_view, 3> kNeedKeys = {"path", "on", "to"};

template <class List>
bool holds(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool begins_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/' || c == '*';
}

// Would it be read back as this string without quotes?
bool is_bare(std::string_view text) {
  return !text.empty() && begins_bare(text[0]) && !holds(kWords, text) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\';
         });
}

std::string narrowed(const Narrowings& only) {
  std::string out;
  for (const Narrowing& one : only) {
    const bool bare = !one.is_text || is_bare(one.value);
    out += " " + one.key + "=" + (bare ? one.value : starlark::core::quote(one.value));
  }
  return out;
}

bool is_keyword(std::string_view word) {
  return abi::find_family(word) != nullptr || abi::find_syscall(word) != nullptr;
}

bool known_call(const Plan& plan, const std::string& call) {
  if (call == "*" || is_keyword(call)) return true;
  return std::any_of(plan.services.begin(), plan.services.end(), [&](const Service& s) {
    return std::any_of(s.ops.begin(), s.ops.end(), [&](const Op& op) { return op.name == call; });
  });
}

class NeedParser {
 public:
  NeedParser(const Plan& plan, const std::string& text, const char* what)
      : plan_(plan), text_(text), rest_(text), what_(what) {}

  // Up to the next blank, which goes with it.
  std::string word() {
    const size_t end = std::min(rest_.find(' '), rest_.size());
    std::string out(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return out;
  }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  bool service(const std::string& name, int& out) {
    const auto& all = plan_.services;
    const auto found = std::ranges::find(all, name, &Service::name);
    out = static_cast<int>(found - all.begin());
    if (found != all.end()) return true;
    std::vector<std::string> names;
    for (const Service& s : all) names.push_back(s.name);
    return failed("no service has that name", did_you_mean(name, names));
  }

  // key=value …, to the end; without `keys` any name will do.
  template <class Keys>
  bool narrowings(const Keys& keys, bool any, Narrowings& out) {
    while (!rest_.empty()) {
      const size_t sign = rest_.find('=');
      Narrowing one;
      one.key = std::string(rest_.substr(0, std::min(sign, rest_.size())));
      if (sign == std::string_view::npos || one.key.empty()) {
        return failed("want key=value behind the name");
      }
      if (!any && !holds(keys, one.key)) {
        return failed("`" + one.key + "` is no key here",
                      did_you_mean(one.key, {keys.begin(), keys.end()}));
      }
      rest_.remove_prefix(sign + 1);
      if (!value(one)) return failed("the value of `" + one.key + "` can't be read");
      out.push_back(std::move(one));
    }
    return true;
  }

  bool failed(const std::string& why, std::string meant = {}) {
    problem = "the " + std::string(what_) + " " + starlark::core::quote(text_) + ": " + why;
    hint = std::move(meant);
    return false;
  }

  std::string problem, hint;

 private:
  bool value(Narrowing& one) {
    if (rest_.starts_with('"') || rest_.starts_with('\'')) {
      if (!starlark::core::unquote(rest_, one.value)) return false;
      if (rest_.empty()) return true;
      if (rest_[0] != ' ') return false;
      rest_.remove_prefix(1);
      return !rest_.empty();
    }
    const bool more = rest_.find(' ') != std::string_view::npos;
    one.value = word();
    one.is_text = !one.value.empty() && begins_bare(one.value[0]) && !holds(kWords, one.value);
    return !one.value.empty() && (!more || !rest_.empty());
  }

  const Plan& plan_;
  const std::string& text_;
  std::string_view rest_;
  const char* what_;
};

constexpr const char* kNoSuchCall = "no system call, no family of them and no op has that name";

bool deny_or_delay(const Plan& plan, NeedParser& parser, Need& need) {
  const std::string target = parser.word();
  const size_t dot = target.find('.');
  need.syscall = target.substr(dot + 1);
  if (!known_call(plan, need.syscall)) {
    return parser.failed(kNoSuchCall, did_you_mean(need.syscall, abi::keywords()));
  }
  const std::string who = target.substr(0, dot);
  if (who != "*" && !parser.service(who, need.service)) return false;
  return parser.narrowings(kNeedKeys, false, need.only);
}

bool interest_words(NeedParser& parser, Interest& out) {
  std::string what = parser.word();
  if (const size_t dot = what.find('.'); dot != std::string::npos) {
    if (!parser.service(what.substr(0, dot), out.service)) return false;
    what.erase(0, dot + 1);
  }
  out.what = what;
  const bool single = what.starts_with('=');
  const bool call = single ? abi::find_syscall(what.substr(1)) != nullptr
                           : what == "*" || is_keyword(what);
  if (!call && !is_event_type(what)) {
    std::vector<std::string> words = abi::keywords();
    words.insert(words.end(), kEventTypes.begin(), kEventTypes.end());
    return parser.failed("no system call, no family of them and no type of event has that name",
                         did_you_mean(what, words));
  }
  return parser.narrowings(kInterestKeys, !call, out.only);
}

}  // namespace

std::string need_text(const Plan& plan, const Need& need) {
  if (need.kind == Need::Kind::kPartition) {
    return need.mode == "refuse" ? "partition" : "partition " + need.mode;
  }
  const std::string verb = need.kind == Need::Kind::kDeny ? "deny " : "delay ";
  const std::string who = need.service < 0 ? "*" : plan.services[need.service].name;
  return verb + who + "." + need.syscall + narrowed(need.only);
}

std::string interest_text(const Plan& plan, const Interest& interest) {
  const std::string who =
      interest.service < 0 ? "" : plan.services[static_cast<size_t>(interest.service)].name + ".";
  return who + interest.what + narrowed(interest.only);
}

std::optional<Need> parse_need(const Plan& plan, const std::string& text, std::string& problem,
                               std::string& hint) {
  Need need;
  if (text == "partition" || text == "partition drop" || text == "partition *") {
    need.kind = Need::Kind::kPartition;
    need.mode = text == "partition" ? "refuse" : text.substr(10);
    return need;
  }
  NeedParser parser(plan, text, "need");
  const std::string verb = parser.word();
  const std::string target = NeedParser(parser).word();
  const size_t dot = target.find('.');
  if ((verb != "deny" && verb != "delay") || dot == std::string::npos || dot + 1 == target.size()) {
    problem = "\"" + text + "\" is no need: want \"deny SERVICE.CALL\", \"delay SERVICE.CALL\", "
              "\"partition\" or \"partition drop\"";
    return std::nullopt;
  }
  need.kind = verb == "deny" ? Need::Kind::kDeny : Need::Kind::kDelay;
  if (deny_or_delay(plan, parser, need)) return need;
  problem = std::move(parser.problem);
  hint = std::move(parser.hint);
  return std::nullopt;
}

std::optional<Interest> parse_interest(const Plan& plan, const std::string& text,
                                       std::string& problem, std::string& hint) {
  NeedParser parser(plan, text, "interest");
  Interest out;
  if (interest_words(parser, out)) return out;
  problem = std::move(parser.problem);
  hint = std::move(parser.hint);
  return std::nullopt;
}

bool covers(const Interest& outer, const Interest& inner) {
  if (outer.service >= 0 && outer.service != inner.service) return false;
  const bool everything = outer.what == "*" && !is_event_type(inner.what);
  if (!everything && outer.what != inner.what) return false;
  return std::all_of(outer.only.begin(), outer.only.end(), [&](const Narrowing& one) {
    return std::find(inner.only.begin(), inner.only.end(), one) != inner.only.end();
  });
}

}  // namespace fbx::plan
