// SPDX-License-Identifier: Apache-2.0
#include "spec/model/signature.h"

#include <algorithm>

#include "spec/model/host.h"
#include "spec/model/objects.h"

namespace fbx::model {

namespace {

std::string_view keyword_name(const Keyword& keyword) {
  return starlark::to_string_view(keyword.name);
}

class Binder {
 public:
  Binder(const Signature& signature, const Given& given, const CheckContext& context, Bound& out)
      : signature_(signature), given_(given), context_(context), out_(out) {}

  std::optional<Problem> bind() {
    out_.values.assign(signature_.params.size(), Value());
    out_.open = given_.open;
    take_positional();
    take_keywords();
    if (!problem_) require();
    if (!problem_) fault_actions();
    if (!problem_ && signature_.also != nullptr) {
      if (auto problem = signature_.also(out_, context_)) {
        const int positional = problem->positional;
        say(std::move(*problem), positional);
      }
    }
    return problem_;
  }

 private:
  void say(Problem problem, int positional, std::string_view keyword = {}) {
    if (problem_) return;
    problem.message = std::string(signature_.name) + "(): " + problem.message;
    problem.positional = positional;
    if (problem.keyword.empty()) problem.keyword = keyword;
    problem_ = std::move(problem);
  }

  void check(size_t param, Value v, int positional, std::string_view keyword) {
    const Param& p = signature_.params[param];
    if (!p.later.empty()) {
      say({"not-yet", "`" + std::string(p.name) + "` is not there yet: " + std::string(p.later)},
          positional, keyword);
      return;
    }
    if (p.none && v.is_none()) return;
    out_.values[param] = v;
    if (!is_known(v)) return;
    if (auto problem = check_takes(p.takes, v, p.name, context_)) {
      say(std::move(*problem), positional, keyword);
    }
  }

  void take_positional() {
    size_t param = 0;
    for (size_t i = 0; i < given_.args.size(); ++i) {
      while (param < signature_.params.size() &&
             signature_.params[param].pass == Param::Pass::kKeyword) {
        ++param;
      }
      if (param < signature_.params.size()) {
        check(param++, given_.args[i], static_cast<int>(i), {});
      } else if (signature_.extra == Extra::kPositional) {
        out_.rest.push_back(given_.args[i]);
      } else {
        say({"too-many-arguments", "takes at most " + std::to_string(positional_limit()) +
                                       " positional argument" +
                                       (positional_limit() == 1 ? "" : "s") + ", got " +
                                       std::to_string(given_.args.size())},
            static_cast<int>(i));
        return;
      }
    }
  }

  size_t positional_limit() const {
    return static_cast<size_t>(
        std::count_if(signature_.params.begin(), signature_.params.end(),
                      [](const Param& p) { return p.pass == Param::Pass::kBoth; }));
  }

  void take_keywords() {
    for (const Keyword& keyword : given_.kwargs) {
      const std::string_view name = keyword_name(keyword);
      const auto param = std::find_if(signature_.params.begin(), signature_.params.end(),
                                      [&](const Param& p) { return p.name == name; });
      if (param != signature_.params.end()) {
        const auto index = static_cast<size_t>(param - signature_.params.begin());
        if (out_.values[index].valid()) {
          say({"argument-twice", "`" + std::string(name) + "` is given twice"}, -1, name);
        }
        check(index, keyword.value, -1, name);
      } else if (signature_.extra == Extra::kFaults || signature_.extra == Extra::kFields) {
        out_.extra.push_back(keyword);
      } else {
        unknown(name);
      }
    }
  }

  void unknown(std::string_view name) {
    std::vector<std::string> known;
    for (const Param& p : signature_.params) known.emplace_back(p.name);
    say({"unknown-keyword", "unknown keyword `" + std::string(name) + "`", suggest(name, known)},
        -1, name);
  }

  void require() {
    if (given_.open) return;
    for (size_t i = 0; i < signature_.params.size(); ++i) {
      if (signature_.params[i].required && !out_.values[i].valid()) {
        say({"missing-argument", "`" + std::string(signature_.params[i].name) + "` is missing"},
            -1);
        return;
      }
    }
  }

  // The service that the keywords are about: the first parameter, or `target`.
  int faulted_service() const {
    for (size_t i = 0; i < out_.values.size(); ++i) {
      const Value v = out_.values[i];
      if (!v.valid() || !is_known(v)) continue;
      if (const auto* s = starlark::host_as<ServiceObject>(v)) return static_cast<int>(s->index());
    }
    return -1;
  }

  void fault_actions() {
    if (signature_.extra != Extra::kFaults) return;
    const int service = faulted_service();
    for (const Keyword& keyword : out_.extra) {
      const std::string_view name = keyword_name(keyword);
      if (auto problem = unknown_fault(name, service)) {
        say(std::move(*problem), -1, name);
        return;
      }
      if (!is_known(keyword.value) || starlark::host_as<ActionObject>(keyword.value)) continue;
      say({"argument-type", "`" + std::string(name) + "` is " +
                                std::string(starlark::type_name(keyword.value)) +
                                ", want deny(…), delay(…) or allow()"},
          -1, name);
      return;
    }
  }

  std::optional<Problem> unknown_fault(std::string_view name, int service) const {
    auto problem = check_fault_keyword(name, service, context_);
    if (!problem || !problem->hint.empty()) return problem;
    std::vector<std::string> params;
    for (const Param& p : signature_.params) params.emplace_back(p.name);
    problem->hint = suggest(name, params);
    return problem;
  }

  const Signature& signature_;
  const Given& given_;
  const CheckContext& context_;
  Bound& out_;
  std::optional<Problem> problem_;
};

}  // namespace

bool Bound::all_known() const {
  const auto known = [](Value v) { return !v.valid() || is_known(v); };
  return std::all_of(values.begin(), values.end(), known) &&
         std::all_of(rest.begin(), rest.end(), known) &&
         std::all_of(extra.begin(), extra.end(), [&](const Keyword& k) { return known(k.value); });
}

std::optional<Problem> bind(const Signature& signature, const Given& given,
                            const CheckContext& context, Bound& out) {
  return Binder(signature, given, context, out).bind();
}

bool bind_call(starlark::Call& c, const Signature& signature, Bound& out) {
  const Host& host = c.host_as<Host>();
  if (signature.where == Where::kTop && !host.at_top()) {
    fail_with(c, {"misplaced", std::string(signature.name) +
                                   "() belongs to the top level of the spec, not into a test"});
    return false;
  }
  if (signature.where == Where::kBody && host.at_top()) {
    fail_with(c, {"misplaced", std::string(signature.name) +
                                   "() needs a running test: call it in a function"});
    return false;
  }
  const CheckContext context{host.plan, !host.at_top()};
  auto problem = bind(signature, Given{c.args(), c.kwargs()}, context, out);
  if (!problem) return true;
  fail_with(c, std::move(*problem));
  return false;
}

Value fail_with(starlark::Call& c, Problem problem) {
  auto payload = std::make_shared<ProblemPayload>();
  payload->code = problem.code;
  if (problem.positional >= 0) {
    payload->place = c.arg_place(static_cast<size_t>(problem.positional));
  } else if (!problem.keyword.empty()) {
    payload->place = c.kwarg_place(problem.keyword);
  } else {
    payload->place = c.place();
  }
  starlark::Error error;
  error.message = std::move(problem.message);
  error.hint = std::move(problem.hint);
  error.payload = std::move(payload);
  return c.fail(std::move(error));
}

}  // namespace fbx::model
