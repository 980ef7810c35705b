// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/wire_device.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace fbx::inject {

namespace {

constexpr char kDevice[] = "fbxwire";
constexpr uint32_t kTable = 7729;
constexpr uint32_t kBeforeLocal = 10, kAfterWire = 20;
// The largest that an IP packet can be, and lo carries.
constexpr int kMtu = 65535;

Status write_setting(const std::string& path, const char* value) {
  const sandbox::Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || ::write(file.get(), value, std::strlen(value)) < 0)
    return fail_errno("setting " + path);
  return {};
}

// A routing socket; every request is acknowledged.
class Routing {
 public:
  Routing() : socket_(::mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC)) {
    if (socket_ && ::mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) socket_.reset();
  }
  [[nodiscard]] bool open() const { return socket_ != nullptr; }

  Status ask(nlmsghdr* request, const std::string& what) {
    request->nlmsg_seq = ++sequence_;
    request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
    char answer[4096];
    if (::mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0)
      return fail_errno(what);
    const ssize_t n = ::mnl_socket_recvfrom(socket_.get(), answer, sizeof answer);
    const unsigned port = ::mnl_socket_get_portid(socket_.get());
    if (n < 0 || ::mnl_cb_run(answer, static_cast<size_t>(n), sequence_, port, nullptr, nullptr) < 0)
      return fail_errno(what);
    return {};
  }

 private:
  struct Close {
    void operator()(mnl_socket* s) const { ::mnl_socket_close(s); }
  };
  std::unique_ptr<mnl_socket, Close> socket_;
  uint32_t sequence_ = 0;
};

struct Request {
  alignas(nlmsghdr) char buffer[512] = {};
  nlmsghdr* header = ::mnl_nlmsg_put_header(buffer);
};

// "the address family's rule of `priority` looks in `table`, for marked packets only".
Status change_rule(Routing& routing, uint16_t type, uint8_t family, uint32_t priority,
                   uint32_t table, uint32_t mark) {
  Request r;
  r.header->nlmsg_type = type;
  if (type == RTM_NEWRULE) r.header->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
  auto* rule = static_cast<fib_rule_hdr*>(::mnl_nlmsg_put_extra_header(r.header, sizeof(fib_rule_hdr)));
  rule->family = family;
  rule->action = FR_ACT_TO_TBL;
  ::mnl_attr_put_u32(r.header, FRA_PRIORITY, priority);
  ::mnl_attr_put_u32(r.header, FRA_TABLE, table);
  if (mark != 0) ::mnl_attr_put_u32(r.header, FRA_FWMARK, mark);
  return routing.ask(r.header, "changing the order in which routes are looked up");
}

Status add_route(Routing& routing, uint8_t family, unsigned device) {
  Request r;
  r.header->nlmsg_type = RTM_NEWROUTE;
  r.header->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
  auto* route = static_cast<rtmsg*>(::mnl_nlmsg_put_extra_header(r.header, sizeof(rtmsg)));
  route->rtm_family = family;
  route->rtm_protocol = RTPROT_STATIC;
  route->rtm_type = RTN_UNICAST;
  ::mnl_attr_put_u32(r.header, RTA_TABLE, kTable);
  ::mnl_attr_put_u32(r.header, RTA_OIF, device);
  if (family == AF_INET) {
    route->rtm_dst_len = 8;
    route->rtm_scope = RT_SCOPE_HOST;
    ::mnl_attr_put_u32(r.header, RTA_DST, htonl(INADDR_LOOPBACK & 0xff000000));
    ::mnl_attr_put_u32(r.header, RTA_PREFSRC, htonl(INADDR_LOOPBACK));
  } else {
    route->rtm_dst_len = 128;
    ::mnl_attr_put(r.header, RTA_DST, sizeof in6addr_loopback, &in6addr_loopback);
  }
  return routing.ask(r.header, "adding a route over the wire");
}

Status add_routes(unsigned device, bool ipv6) {
  Routing routing;
  if (!routing.open()) return fail_errno("opening a routing socket");
  for (const uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    if (family == AF_INET6 && !ipv6) continue;
    Status s = add_route(routing, family, device);
    if (s) s = change_rule(routing, RTM_NEWRULE, family, kAfterWire, RT_TABLE_LOCAL, 0);
    if (s) s = change_rule(routing, RTM_NEWRULE, family, kBeforeLocal, kTable, kWireMark);
    if (s) s = change_rule(routing, RTM_DELRULE, family, 0, RT_TABLE_LOCAL, 0);
    if (!s) return s;
  }
  return {};
}

// What a packet from this namespace's own address needs to be let in at lo without the route that
// it had when it was sent (net/ipv4/route.c, fib_frontend.c).
Status allow_loopback_addresses() {
  const std::string conf = "/proc/sys/net/ipv4/conf/";
  for (const std::string place : {"all", "lo", kDevice}) {
    Status s = write_setting(conf + place + "/route_localnet", "1");
    if (s) s = write_setting(conf + place + "/accept_local", "1");
    if (s) s = write_setting(conf + place + "/rp_filter", "0");
    if (!s) return s;
  }
  return {};
}

Result<sandbox::Fd> open_tun(unsigned& index) {
  sandbox::Fd tun(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!tun) return fail_errno("opening /dev/net/tun");
  ifreq request{};
  std::strcpy(request.ifr_name, kDevice);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(tun.get(), TUNSETIFF, &request) != 0) return fail_errno("making a TUN device");
  const sandbox::Fd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  request.ifr_mtu = kMtu;
  if (!any || ::ioctl(any.get(), SIOCSIFMTU, &request) != 0)
    return fail_errno("setting the wire's MTU");
  request.ifr_qlen = 10000;
  if (::ioctl(any.get(), SIOCSIFTXQLEN, &request) != 0)
    return fail_errno("setting the wire's queue");
  // Addresses of its own would be taken as the sender's.
  static_cast<void>(
      write_setting(std::string("/proc/sys/net/ipv6/conf/") + kDevice + "/addr_gen_mode", "1"));
  for (const char* name : {"lo", kDevice}) {  // lo is up already in a test's network
    std::strcpy(request.ifr_name, name);
    request.ifr_flags = IFF_UP;
    if (::ioctl(any.get(), SIOCSIFFLAGS, &request) != 0)
      return fail_errno(std::string("raising ") + name);
  }
  index = ::if_nametoindex(kDevice);
  return tun;
}

}  // namespace

Result<WireDevice> WireDevice::create() {
  WireDevice device;
  unsigned index = 0;
  auto tun = open_tun(index);
  if (!tun) return std::unexpected(tun.error());
  device.tun_ = std::move(*tun);
  device.lo_ = sandbox::Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (!device.lo_) return fail_errno("opening a packet socket");
  sockaddr_ll lo{};
  lo.sll_family = AF_PACKET;
  lo.sll_ifindex = static_cast<int>(::if_nametoindex("lo"));
  if (::bind(device.lo_.get(), reinterpret_cast<sockaddr*>(&lo), sizeof lo) != 0)
    return fail_errno("binding a packet socket to lo");
  const bool ipv6 = ::access("/proc/sys/net/ipv6/conf/lo", F_OK) == 0;
  if (Status s = allow_loopback_addresses(); !s) return std::unexpected(s.error());
  if (Status s = add_routes(index, ipv6); !s) return std::unexpected(s.error());
  return device;
}

Result<size_t> WireDevice::read(std::span<uint8_t> into) {
  for (;;) {
    const ssize_t n = ::read(tun_.get(), into.data(), into.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EAGAIN) return size_t{0};
    if (errno != EINTR) return fail_errno("reading the wire");
  }
}

Status WireDevice::deliver(std::span<const uint8_t> packet) {
  ethhdr header{};
  header.h_proto = htons(packet[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
  const iovec parts[] = {{&header, sizeof header},
                         {const_cast<uint8_t*>(packet.data()), packet.size()}};
  for (;;) {
    if (::writev(lo_.get(), parts, 2) >= 0) return {};
    if (errno != EINTR && errno != ENOBUFS) return fail_errno("delivering a packet of the wire");
  }
}

}  // namespace fbx::inject
