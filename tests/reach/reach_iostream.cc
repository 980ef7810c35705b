// SPDX-License-Identifier: Apache-2.0
//
// The victim in C++: files by <fstream>, whose calls the C++ library makes.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

namespace {

char mark(bool good) { return good ? '.' : errno == EIO || errno == ECONNREFUSED ? 'E' : '?'; }

sockaddr_in loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

std::string carry_out(char what) {
  std::string marks;
  if (what == 'W') {
    for (int i = 0; i < 9; ++i) {
      std::ofstream out("/tmp/out", std::ios::app);
      out << 'x' << std::flush;
      marks += mark(out.good());
    }
  } else if (what == 'S') {
    const int fd = ::open("/tmp/out", O_WRONLY | O_CREAT | O_APPEND, 0666);
    for (int i = 0; i < 3; ++i) marks += mark(::fsync(fd) == 0);
    ::close(fd);
  } else if (what == 'O') {
    for (int i = 0; i < 3; ++i) {
      const bool good = std::ofstream("/tmp/new").is_open();
      marks += mark(good);
      if (good) ::unlink("/tmp/new");
    }
  } else if (what == 'C') {
    const sockaddr_in at = loopback(7000);
    for (int i = 0; i < 3; ++i) {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      marks += mark(::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
      ::close(fd);
    }
  }
  return marks + "\n";
}

}  // namespace

int main() {
  const char* port = std::getenv("PORT");
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0), on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in at = loopback(std::atoi(port ? port : "7000"));
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) || ::listen(listener, 8))
    return 97;
  for (;;) {
    const int peer = ::accept(listener, nullptr, nullptr);
    char line[16];
    while (::recv(peer, line, sizeof line, 0) > 0) {
      const std::string answer = carry_out(line[0]);
      if (::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::close(peer);
  }
}
