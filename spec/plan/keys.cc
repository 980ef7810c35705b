// SPDX-License-Identifier: Apache-2.0
#include "spec/plan/keys.h"

#include <algorithm>

namespace fbx::plan {

HealthKeys health_keys(const HealthCheck& check) {
  HealthKeys keys;
  keys.status = check.status;
  keys.timeout_ns = check.timeout_ns;
  switch (check.kind) {
    case HealthCheck::Kind::kListen: break;
    case HealthCheck::Kind::kTcp: keys.tcp = check.target; break;
    case HealthCheck::Kind::kHttp: keys.http = check.target; break;
    case HealthCheck::Kind::kOutput: keys.output = check.target; break;
    case HealthCheck::Kind::kCommand: keys.command = check.argv; break;
  }
  return keys;
}

std::optional<HealthCheck> health_check(const HealthKeys& keys) {
  HealthCheck check;
  check.status = keys.status;
  check.timeout_ns = keys.timeout_ns;
  int kinds = 0;
  const auto take = [&](HealthCheck::Kind kind, const std::string& target) {
    if (target.empty()) return;
    ++kinds;
    check.kind = kind;
    check.target = target;
  };
  take(HealthCheck::Kind::kTcp, keys.tcp);
  take(HealthCheck::Kind::kHttp, keys.http);
  take(HealthCheck::Kind::kOutput, keys.output);
  if (!keys.command.empty()) {
    ++kinds;
    check.kind = HealthCheck::Kind::kCommand;
    check.argv = keys.command;
  }
  if (kinds != 1 || (keys.status != 0 && keys.http.empty())) return std::nullopt;
  return check;
}

bool is_default(const HealthCheck& check) {
  return check.kind == HealthCheck::Kind::kListen;
}

FaultKeys fault_keys(const AssumedFault& fault) {
  FaultKeys keys;
  keys.service = fault.service;
  keys.keyword = fault.keyword;
  keys.allow = fault.action.kind == Action::Kind::kAllow;
  keys.action = fault.action;
  return keys;
}

std::optional<AssumedFault> assumed_fault(const FaultKeys& keys) {
  AssumedFault out{keys.service, keys.keyword, keys.action};
  const bool deny = !keys.action.errname.empty();
  const bool delay = keys.action.delay_ns != 0;
  if (keys.allow) {
    if (deny || delay) return std::nullopt;
    out.action.kind = Action::Kind::kAllow;
  } else if (deny) {
    out.action.kind = Action::Kind::kDeny;
  } else if (delay) {
    out.action.kind = Action::Kind::kDelay;
  } else {
    return std::nullopt;
  }
  return out;
}

std::string cell_name(const std::string& scenario, const std::string& assumption) {
  std::string name = "test_matrix_" + scenario;
  if (!assumption.empty()) name += "_" + assumption;
  return name;
}

void signature_keys(const starlark::core::Function& function, FunctionKeys& keys) {
  using starlark::core::ParamKind;
  bool keyword_only = false;
  for (size_t i = 0; i < function.params.size(); ++i) {
    const auto& param = function.params[i];
    const std::string& name = function.locals[i].name;
    if (param.kind == ParamKind::star) keyword_only = true;
    if (param.kind == ParamKind::keyword_only && !keyword_only) {
      keyword_only = true;
      keys.params.push_back("*");
    }
    const char* prefix = param.kind == ParamKind::star        ? "*"
                         : param.kind == ParamKind::star_star ? "**"
                                                              : "";
    keys.params.push_back(prefix + name + (param.has_default ? "=" : ""));
  }
  for (size_t i = 0; i < function.locals.size(); ++i) {
    if (i >= function.params.size()) keys.locals.push_back(function.locals[i].name);
    if (function.locals[i].cell) keys.cells.push_back(function.locals[i].name);
  }
  keys.free = function.free;
}

namespace {

bool read_param(std::string text, bool& keyword_only, starlark::core::Function& function) {
  using starlark::core::ParamKind;
  starlark::core::Param param;
  param.kind = keyword_only ? ParamKind::keyword_only : ParamKind::normal;
  if (text.starts_with("**")) {
    param.kind = ParamKind::star_star;
    text.erase(0, 2);
  } else if (text.starts_with("*")) {
    if (keyword_only) return false;
    keyword_only = true;
    if (text == "*") return true;
    param.kind = ParamKind::star;
    text.erase(0, 1);
  }
  if (text.ends_with("=")) {
    if (param.kind == ParamKind::star || param.kind == ParamKind::star_star) return false;
    param.has_default = true;
    text.pop_back();
  }
  if (text.empty()) return false;
  function.params.push_back(param);
  function.locals.push_back({text, false});
  return true;
}

}  // namespace

bool read_signature(const FunctionKeys& keys, starlark::core::Function& function,
                    std::string& key, std::string& problem) {
  bool keyword_only = false;
  for (const std::string& param : keys.params) {
    if (!read_param(param, keyword_only, function)) {
      key = "params";
      problem = "\"" + param + "\" is no parameter here";
      return false;
    }
  }
  for (const std::string& local : keys.locals) function.locals.push_back({local, false});
  for (const std::string& cell : keys.cells) {
    const auto found = std::find_if(function.locals.begin(), function.locals.end(),
                                    [&](const auto& local) { return local.name == cell; });
    if (found == function.locals.end()) {
      key = "cells";
      problem = "cell \"" + cell + "\" is no variable of the function";
      return false;
    }
    found->cell = true;
  }
  function.free = keys.free;
  const size_t dot = function.key.rfind('.');
  function.name = dot == std::string::npos ? function.key : function.key.substr(dot + 1);
  if (const size_t at = function.name.find('@'); at != std::string::npos) {
    function.name.resize(at);
  }
  return true;
}

}  // namespace fbx::plan
