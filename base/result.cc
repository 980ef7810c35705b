// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace fbx {

std::string Error::text() const {
  std::string out;
  for (auto it = contexts.rbegin(); it != contexts.rend(); ++it) out += *it + ": ";
  out += message;
  if (errnum != 0) out += std::string(": ") + std::strerror(errnum);
  return out;
}

std::unexpected<Error> fail(std::string message) {
  return std::unexpected<Error>(Error{std::move(message)});
}

std::unexpected<Error> fail_errno(std::string message, int errnum) {
  return std::unexpected<Error>(Error{std::move(message), std::abs(errnum)});
}

std::unexpected<Error> fail_errno(std::string message) {
  const int saved = errno;
  return fail_errno(std::move(message), saved);
}

}  // namespace fbx
