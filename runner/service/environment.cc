// SPDX-License-Identifier: Apache-2.0
#include "runner/service/environment.h"

#include <fnmatch.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <map>

#include "runner/service/binary.h"

namespace fbx::service {

namespace {

std::string upper(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    out += std::isalnum(u) != 0 && u < 128 ? static_cast<char>(std::toupper(u)) : '_';
  }
  return out;
}

// What would come between a step and a service, or between a service and its libraries, without
// the spec's saying so.
bool never_passes(const std::string& name) {
  static constexpr std::array kNames{"LD_PRELOAD", "LD_AUDIT",  "HTTP_PROXY", "HTTPS_PROXY",
                                     "FTP_PROXY",  "ALL_PROXY", "NO_PROXY"};
  for (const char* never : kNames) {
    if (upper(name) == never) return true;
  }
  return false;
}

void add_interfaces(const plan::Plan& plan, std::map<std::string, std::string>& env) {
  for (const plan::Service& service : plan.services) {
    for (const plan::Interface& interface : service.interfaces) {
      const std::string prefix = "FBX_" + upper(service.name) + "_" + upper(interface.name) + "_";
      if (interface.protocol == plan::Protocol::kUnix) {
        env[prefix + "ADDR"] = interface.path;
        continue;
      }
      const std::string port = std::to_string(interface.port);
      env[prefix + "HOST"] = "127.0.0.1";
      env[prefix + "PORT"] = port;
      env[prefix + "ADDR"] = "127.0.0.1:" + port;
    }
  }
}

}  // namespace

Variables caller_environment() {
  Variables variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

std::string with_spec_dir(std::string_view text, const std::string& spec_dir) {
  static constexpr std::string_view kName = "${spec_dir}";
  std::string out;
  for (;;) {
    const size_t at = text.find(kName);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += spec_dir;
    text.remove_prefix(at + kName.size());
  }
}

namespace {

using Named = std::map<std::string, std::string>;

Named base_variables(const Identity& user, const Variables& caller) {
  Named env;
  env["PATH"] = service_path();
  env["LANG"] = "C.UTF-8";
  for (const auto& [name, value] : caller) {
    if ((name == "PATH" || name == "LANG" || name == "TZ") && !value.empty()) env[name] = value;
  }
  env["HOME"] = user.home;
  env["USER"] = user.name;
  env["TMPDIR"] = "/tmp";
  return env;
}

Environment finished(const plan::Plan& plan, const Pairs& own, Named env) {
  Environment out;
  add_interfaces(plan, env);
  for (const auto& [name, value] : own) env[name] = with_spec_dir(value, plan.spec_dir);
  for (const auto& [name, value] : env) out.entries.push_back(name + "=" + value);
  return out;
}

}  // namespace

Environment client_environment(const plan::Plan& plan, const Pairs& own, const Identity& user,
                               const Variables& caller) {
  return finished(plan, own, base_variables(user, caller));
}

Environment service_environment(const plan::Plan& plan, size_t service, const Identity& user,
                                const Variables& caller) {
  const plan::Service& own = plan.services.at(service);
  Named env = base_variables(user, caller);
  std::vector<std::string> withheld;
  for (const auto& [name, value] : caller) {
    for (const std::string& glob : own.inherit_env) {
      if (::fnmatch(glob.c_str(), name.c_str(), 0) != 0) continue;
      if (never_passes(name))
        withheld.push_back(name);
      else
        env[name] = value;
      break;
    }
  }
  Environment out = finished(plan, own.env, std::move(env));
  out.withheld = std::move(withheld);
  return out;
}

}  // namespace fbx::service
