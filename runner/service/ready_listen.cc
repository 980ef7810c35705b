// SPDX-License-Identifier: Apache-2.0
//
// "Every declared interface listens", without dialling it: the kernel's list of listeners says
// which cgroup made each.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "runner/sandbox/descent.h"
#include "runner/service/ready_parts.h"
#include "runner/step/dial.h"
#include "runner/step/peer_owner.h"

namespace fbx::service {

namespace {

using Kind = ReadyAnswer::Kind;

class ListenCheck : public ReadyCheck {
 public:
  ListenCheck(const ReadyContext& context, size_t service)
      : context_(context), service_(service), wake_ns_(now_ns()) {}

  ReadyAnswer advance() override {
    const auto& interfaces = context_.plan->services[service_].interfaces;
    // In order, and one that listens is not asked again.
    while (next_ < interfaces.size()) {
      ReadyAnswer answer = ask(interfaces[next_]);
      if (answer.kind == Kind::kReady) {
        ++next_;
        continue;
      }
      wake_ns_ = pace_.next(now_ns());
      return answer;
    }
    return {Kind::kReady, ""};
  }

  [[nodiscard]] uint64_t wake_ns() const override { return wake_ns_; }

 private:
  ReadyAnswer ask(const plan::Interface& interface) const {
    if (interface.protocol == plan::Protocol::kUnix)
      return unix_answer(context_, service_, interface);
    const bool udp = interface.protocol == plan::Protocol::kUdp;
    auto listeners = udp ? context_.listeners->udp(interface.port)
                         : context_.listeners->tcp(interface.port);
    if (!listeners) return {Kind::kBroken, listeners.error().text()};
    return judge(*listeners, interface.port);
  }

  // The listeners that a dial of 127.0.0.1 would reach are those that answer it most exactly.
  ReadyAnswer judge(const std::vector<Listener>& listeners, uint16_t port) const {
    const std::string missing = "port " + std::to_string(port) + " does not listen";
    if (listeners.empty()) return {Kind::kNotYet, missing};
    const auto best = std::ranges::max_element(listeners, {}, &Listener::answers_v4);
    if (best->answers_v4 == 0)
      return {Kind::kNotYet, missing + " on 127.0.0.1, only on " + best->address};
    for (const Listener& listener : listeners) {
      if (listener.answers_v4 != best->answers_v4) continue;
      if (context_.owns(static_cast<uint32_t>(service_), listener.cgroup_id))
        return {Kind::kReady, ""};
    }
    if (best->cgroup_id == 0 && !sandbox::told_by_descent())
      return {Kind::kBroken, "this kernel does not say which cgroup a socket belongs to "
                             "(INET_DIAG_CGROUP_ID, Linux 5.9)"};
    return {Kind::kForeign,
            foreign_text(context_, service_, port, best->cgroup_id, best->inode)};
  }

  const ReadyContext& context_;
  size_t service_;
  size_t next_ = 0;
  Pace pace_;
  uint64_t wake_ns_;
};

int connect_in_root(int root_fd, const std::string& path, int type) {
  const auto address = step::unix_address(root_fd, path);
  if (!address) return -1;
  sandbox::Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::connect(fd.get(), address->get(), address->size) != 0) return -1;
  return fd.release();
}

}  // namespace

ReadyAnswer unix_answer(const ReadyContext& context, size_t service,
                        const plan::Interface& interface) {
  const std::string& path = interface.path;
  sandbox::Fd fd(connect_in_root(context.sandbox->root_fd(), path, SOCK_STREAM));
  if (!fd && errno == EPROTOTYPE)
    fd = sandbox::Fd(connect_in_root(context.sandbox->root_fd(), path, SOCK_SEQPACKET));
  if (!fd) return {Kind::kNotYet, "nothing listens on " + path};
  auto owner = step::owner_cgroup(fd.get());
  if (!owner) return {Kind::kNotYet, "whose socket " + path + " is can't be told"};
  if (context.owns(static_cast<uint32_t>(service), *owner)) return {Kind::kReady, ""};
  return {Kind::kForeign, path + " of service " + context.plan->services[service].name +
                              " is answered by another process than that service"};
}

std::unique_ptr<ReadyCheck> make_listen_check(const ReadyContext& context, size_t service) {
  return std::make_unique<ListenCheck>(context, service);
}

}  // namespace fbx::service
