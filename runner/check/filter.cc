// SPDX-License-Identifier: Apache-2.0
//
// From a model::Filter to a CompiledFilter. Asking it is in filter_match.cc.
#include "runner/check/filter.h"

#include <algorithm>

#include "base/glob.h"

namespace fbx::check {

namespace {

using observe::EventType;

struct TypeName {
  const char* name;
  EventType type;
};
constexpr TypeName kTypes[] = {
    {"", EventType::kSyscall},       {"syscall", EventType::kSyscall},
    {"fault", EventType::kFault},    {"step", EventType::kStep},
    {"stdout", EventType::kStdout},  {"stderr", EventType::kStderr},
    {"lifecycle", EventType::kLifecycle},
};

struct OnName {
  const char* name;
  uint32_t kinds;  // mask of FBX_KIND_BIT
};
constexpr OnName kOns[] = {
    {"any", 0},
    {"file", FBX_KIND_BIT(FILE) | FBX_KIND_BIT(SHM)},  // shm only where path= names it
    {"socket", FBX_KINDS_SOCKETS},
    {"stream", FBX_KIND_BIT(STREAM)},
    {"udp", FBX_KIND_BIT(UDP)},
    {"unix", FBX_KIND_BIT(UNIX)},
    {"pipe", FBX_KIND_BIT(PIPE)},
};

// Can a call with these arguments have what the filter's other keys ask for?
bool could_match(const abi::Syscall& row, const model::Filter& filter) {
  const bool has_fd = row.arg(FBX_ARG_FD) >= 0 || (row.traits & FBX_TRAIT_RETURNS_FD) != 0;
  const bool has_path = row.arg(FBX_ARG_PATH) >= 0 || row.arg(FBX_ARG_PATH2) >= 0;
  if (!filter.path.empty()) return has_fd || has_path;
  if (filter.fd || !filter.on.empty() || !filter.peer.empty()) return has_fd;
  return true;
}

void add_numbers(std::vector<uint16_t>& to, const std::vector<uint16_t>& more) {
  to.insert(to.end(), more.begin(), more.end());
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
}

}  // namespace

Result<CompiledFilter::Keyword> CompiledFilter::keyword_of(const std::string& word) {
  const bool single = word.starts_with('=');
  const std::string name = single ? word.substr(1) : word;
  Keyword keyword;
  if (const abi::Family* family = single ? nullptr : abi::find_family(name)) {
    keyword.family = family->bit;
    keyword.numbers = abi::numbers(name);
    return keyword;
  }
  bool known = false;
  for (const abi::Syscall& row : abi::kSyscalls) {
    if (!glob_match(name, row.name)) continue;
    known = true;  // perhaps only on another architecture
    if (row.nr() >= 0) add_numbers(keyword.numbers, {static_cast<uint16_t>(row.nr())});
  }
  if (!known) return fail("unknown syscall or family \"" + word + "\"");
  return keyword;
}

Status CompiledFilter::set_type(const std::string& type) {
  for (const TypeName& row : kTypes) {
    if (type != row.name) continue;
    type_ = row.type;
    return {};
  }
  return fail("unknown event type \"" + type + "\"");
}

Status CompiledFilter::set_on(const std::string& on) {
  if (on.empty()) return {};
  for (const OnName& row : kOns) {
    if (on != row.name) continue;
    kinds_ = row.kinds;
    return {};
  }
  return fail("unknown kind of descriptor on=\"" + on + "\"");
}

Status CompiledFilter::set_op(const std::string& name) {
  for (uint32_t service = 0; service < plan_->services.size(); ++service) {
    if (service_ && *service_ != service) continue;
    for (const plan::Op& declared : plan_->services[service].ops) {
      if (declared.name != name) continue;
      Op op;
      for (const std::string& word : declared.syscalls) {
        Result<Keyword> keyword = keyword_of(word);
        if (!keyword) return fail_in(std::move(keyword), "op " + name);
        op.keywords.push_back(std::move(*keyword));
      }
      if (!declared.path.empty()) op.path = Glob{declared.path, true};
      ops_[service] = std::move(op);
    }
  }
  if (ops_.empty()) return fail("no service has an op \"" + name + "\"");
  return {};
}

Status CompiledFilter::set_syscalls(const model::Filter& filter) {
  if (!about_syscalls()) return {};
  if (!filter.syscall.empty()) {
    Result<Keyword> keyword = keyword_of(filter.syscall);
    if (!keyword) return std::unexpected(keyword.error());
    syscalls_ = keyword->numbers;
    keyword_ = std::move(*keyword);
  } else if (!ops_.empty()) {
    for (const auto& [service, op] : ops_)
      for (const Keyword& keyword : op.keywords) add_numbers(syscalls_, keyword.numbers);
  } else if (after_lost_sync_ == true) {
    syscalls_ = abi::numbers("fsync");
  } else {
    for (const abi::Syscall& row : abi::kSyscalls)
      if (row.nr() >= 0 && could_match(row, filter))
        syscalls_.push_back(static_cast<uint16_t>(row.nr()));
    add_numbers(syscalls_, {});
  }
  return {};
}

Result<CompiledFilter> CompiledFilter::compile(const model::Filter& filter,
                                               const plan::Plan& plan) {
  CompiledFilter out;
  out.plan_ = &plan;
  out.service_ = filter.service;
  out.fd_ = filter.fd;
  out.pid_ = filter.pid;
  out.ok_ = filter.ok;
  out.after_lost_sync_ = filter.after_lost_sync;
  out.fields_ = filter.fields;
  out.where_ = filter.where;
  out.since_start_ = filter.since_start;
  out.since_event_ = filter.since_event;
  out.names_outcome_ = filter.ok.has_value() || filter.ok_any || !filter.errname.empty() ||
                       !filter.decision.empty() || !filter.label.empty();
  if (filter.service && *filter.service >= plan.services.size())
    return fail("a filter names service " + std::to_string(*filter.service) + " of " +
                std::to_string(plan.services.size()));
  if (Status type = out.set_type(filter.type); !type) return std::unexpected(type.error());
  if (Status on = out.set_on(filter.on); !on) return std::unexpected(on.error());
  if (!filter.op.empty())
    if (Status op = out.set_op(filter.op); !op) return std::unexpected(op.error());
  if (Status calls = out.set_syscalls(filter); !calls) return std::unexpected(calls.error());
  // Another spelling of one errno (EWOULDBLOCK) is that errno.
  const std::optional<int> number = abi::errno_number(filter.errname);
  out.errname_ = number ? std::string(abi::errno_name(*number)) : filter.errname;
  if (!filter.path.empty()) out.path_ = Glob{filter.path, true};
  if (!filter.decision.empty()) out.decision_ = Glob{filter.decision};
  if (!filter.label.empty()) out.label_ = Glob{filter.label};
  if (!filter.exe.empty()) out.exe_ = Glob{filter.exe};
  if (!filter.peer.empty()) out.peer_text_ = Glob{filter.peer};
  out.peer_ = filter.peer;
  out.means_client_ = filter.peer == "client" &&
                      std::ranges::find(plan.services, "client", &plan::Service::name) ==
                          plan.services.end();
  return out;
}

}  // namespace fbx::check
