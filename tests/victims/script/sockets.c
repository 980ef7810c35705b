// SPDX-License-Identifier: Apache-2.0
//
// Operations on sockets. An address is a port of 127.0.0.1, "6:PORT" of ::1, a path, or "@NAME".
#include <linux/netlink.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include "script.h"

static socklen_t address_of(const char* word, struct sockaddr_storage* out) {
  memset(out, 0, sizeof *out);
  if (word[0] == '/' || word[0] == '@') {
    struct sockaddr_un* name = (struct sockaddr_un*)out;
    name->sun_family = AF_UNIX;
    strncpy(name->sun_path, word, sizeof name->sun_path - 1);
    if (word[0] == '@') name->sun_path[0] = 0;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(word) + (word[0] == '/'));
  }
  if (word[0] == '6' && word[1] == ':') {
    struct sockaddr_in6* v6 = (struct sockaddr_in6*)out;
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = in6addr_loopback;
    v6->sin6_port = htons((uint16_t)atoi(word + 2));
    return sizeof *v6;
  }
  struct sockaddr_in* v4 = (struct sockaddr_in*)out;
  v4->sin_family = AF_INET;
  v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  v4->sin_port = htons((uint16_t)atoi(word));
  return sizeof *v4;
}

static long op_socket(char** w) {
  const struct { const char* name; int domain, type; } kinds[] = {
      {"tcp", AF_INET, SOCK_STREAM},   {"tcp6", AF_INET6, SOCK_STREAM},
      {"udp", AF_INET, SOCK_DGRAM},    {"udp6", AF_INET6, SOCK_DGRAM},
      {"unix", AF_UNIX, SOCK_STREAM},  {"packets", AF_UNIX, SOCK_SEQPACKET},
      {"dgram", AF_UNIX, SOCK_DGRAM},  {"netlink", AF_NETLINK, SOCK_RAW}};
  const int on = 1;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
    if (strcmp(kinds[i].name, w[1]) != 0) continue;
    const int nonblock = w[2] != NULL ? SOCK_NONBLOCK : 0;
    const int fd = socket(kinds[i].domain, kinds[i].type | nonblock, 0);
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return keep(w[0], fd);
  }
  errno = EPROTO;
  return -1;
}
static long op_pair(char** w) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
  keep(w[0], ends[0]);
  return keep(w[1], ends[1]);
}
static long op_bind(char** w) {
  struct sockaddr_storage to;
  const socklen_t n = address_of(w[1], &to);
  return bind(slot(w[0]), (struct sockaddr*)&to, n);
}
static long op_listen(char** w) { return listen(slot(w[0]), 8); }
static long op_connect(char** w) {
  struct sockaddr_storage to;
  const socklen_t n = address_of(w[1], &to);
  return connect(slot(w[0]), (struct sockaddr*)&to, n);
}
static long op_accept(char** w) { return keep(w[1], accept(slot(w[0]), NULL, NULL)); }
static long op_accept4(char** w) {
  return keep(w[1], accept4(slot(w[0]), NULL, NULL, SOCK_CLOEXEC));
}
static long op_nonblock(char** w) { return fcntl(slot(w[0]), F_SETFL, O_NONBLOCK); }
static long op_send(char** w) { return send(slot(w[0]), "x", 1, 0); }
static long op_recv(char** w) {
  char to[64];
  return recv(slot(w[0]), to, sizeof to, 0);
}
static long op_sendto(char** w) {
  struct sockaddr_storage to;
  const socklen_t n = address_of(w[1], &to);
  return sendto(slot(w[0]), "x", 1, 0, (struct sockaddr*)&to, n);
}
static long op_sendmsg(char** w) {
  struct iovec one = {"x", 1};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
  return sendmsg(slot(w[0]), &message, 0);
}
static long op_sendmmsg(char** w) {
  struct iovec one = {"x", 1};
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}};
  return sendmmsg(slot(w[0]), &message, 1, 0);
}
static long op_recvmsg(char** w) {
  char to[64];
  struct iovec one = {to, sizeof to};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
  return recvmsg(slot(w[0]), &message, 0);
}
static long op_recvmmsg(char** w) {
  char to[64];
  struct iovec one = {to, sizeof to};
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}};
  return recvmmsg(slot(w[0]), &message, 1, 0, NULL);
}
static long op_pass(char** w) {
  int ends[2], fd = slot(w[0]);
  union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } room = {0};
  char byte = 'x';
  struct iovec one = {&byte, 1};
  struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = room.bytes,
                           .msg_controllen = sizeof room.bytes};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return -1;
  struct cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  if (sendmsg(ends[0], &message, 0) != 1 || recvmsg(ends[1], &message, 0) != 1) return -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  close(ends[0]);
  close(ends[1]);
  return keep(w[1], fd);
}
// What is left.
static long op_left(char** w) {
  int n = 0;
  return ioctl(slot(w[0]), FIONREAD, &n) == 0 ? n : -1;
}
// 1: the other end has closed or reset it; 0: it stands. Waits up to 2 s where `w[1]` is given.
static long op_ended(char** w) {
  char byte;
  const struct timeval bound = {.tv_sec = 2};
  if (w[1] != NULL) setsockopt(slot(w[0]), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  const long n = recv(slot(w[0]), &byte, 1, MSG_PEEK | (w[1] != NULL ? 0 : MSG_DONTWAIT));
  if (n < 0 && errno == ECONNRESET) return 1;
  return n == 0;
}
// Connections that this network began to open since the last time (net/ipv4/proc.c).
static long op_dials(char** w) {
  static long before = 0;
  char line[512];
  long values[16] = {0};
  (void)w;
  FILE* file = fopen("/proc/net/snmp", "r");
  if (file == NULL) return -1;
  while (fgets(line, sizeof line, file) != NULL)
    sscanf(line, "Tcp: %ld %ld %ld %ld %ld", values, values + 1, values + 2, values + 3, values + 4);
  fclose(file);
  const long since = values[4] - before;
  before = values[4];
  return since;
}

const struct operation socket_operations[] = {
    {"socket", 2, 0, op_socket},     {"pair", 2, 0, op_pair},
    {"bind", 2, 0, op_bind},         {"listen", 1, 0, op_listen},
    {"connect", 2, 0, op_connect},   {"accept", 2, 0, op_accept},
    {"accept4", 2, 0, op_accept4},   {"nonblock", 1, 0, op_nonblock},
    {"send", 1, 0, op_send},         {"recv", 1, 0, op_recv},
    {"sendto", 2, 0, op_sendto},     {"sendmsg", 1, 0, op_sendmsg},
    {"sendmmsg", 1, 0, op_sendmmsg}, {"recvmsg", 1, 0, op_recvmsg},
    {"recvmmsg", 1, 0, op_recvmmsg}, {"pass", 2, 0, op_pass},
    {"left", 1, 1, op_left},         {"ended", 1, 1, op_ended},
    {"dials", 0, 1, op_dials},       {NULL, 0, 0, NULL}};
