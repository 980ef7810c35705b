// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/socket_list.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runner/inject/diag_sockets.h"
#include "runner/sandbox/fd.h"

namespace fbx::inject {
namespace {

template <typename Entry>
Result<std::vector<Entry>> read_all(const observe::BpfObject& object, const char* program) {
  Result<int> opened = object.iterator(program);
  if (!opened) return fail_in(std::move(opened), "listing sockets");
  const sandbox::Fd fd(*opened);
  std::vector<char> bytes;
  char piece[1 << 16];
  for (;;) {
    const ssize_t n = read(fd.get(), piece, sizeof piece);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return fail_errno(std::string("reading ") + program);
    if (n == 0) break;
    bytes.insert(bytes.end(), piece, piece + n);
  }
  if (bytes.size() % sizeof(Entry)) return fail(std::string(program) + ": a torn entry");
  std::vector<Entry> entries(bytes.size() / sizeof(Entry));
  std::memcpy(entries.data(), bytes.data(), bytes.size());
  return entries;
}

}  // namespace

Result<std::vector<fbx_tcp_end>> BpfSocketList::tcp() const {
  return read_all<fbx_tcp_end>(object_, "sockets__list_tcp");
}

Result<std::vector<fbx_tcp_end>> BpfSocketList::tcp_listeners() const {
  return list_tcp_listeners();
}

Result<std::vector<fbx_unix_end>> BpfSocketList::unix_sockets() const {
  return read_all<fbx_unix_end>(object_, "sockets__list_unix");
}

}  // namespace fbx::inject
