// SPDX-License-Identifier: Apache-2.0
//
// Lets a call of a service happen and puts another result in its place, before the thread that made
// it runs again. A denied close needs it: the descriptor is closed, and the errno is returned. An
// answer to a seccomp notification is one or the other.
//
// The thread is traced (ptrace) for as long as its call takes. It is interrupted before it is let
// go, and the interruption finds it where it leaves the kernel: the call itself is not repeated,
// and signals are not lost.
//
// Thread rule: add() and settle() from any thread; the callbacks of a Change come on the thread
// that this class makes, because a traced thread hears one tracer only.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace fbx::inject {

class ResultChanger {
 public:
  struct Change {
    pid_t tid = 0;   // blocked in a call that nobody has answered yet; in the caller's PID namespace
    int errnum = 0;  // positive
    // Called once: lets the call happen. An error says why its result will be its own; then and
    // when it returns false (there is no such call any more) nothing is changed.
    std::function<bool(const Status& held)> let_go;
    // It happened, its thread lives, and its result is its own.
    std::function<void(const Error&)> failed;
  };

  ResultChanger() = default;
  // Waits for the changes that were begun.
  ~ResultChanger();
  ResultChanger(const ResultChanger&) = delete;
  ResultChanger& operator=(const ResultChanger&) = delete;

  void add(Change change);
  // Waits until all that was added is done, or `bound_ns` have passed: then false.
  bool settle(uint64_t bound_ns);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable turn_;
  std::deque<Change> queue_;
  bool busy_ = false, over_ = false;
  std::thread thread_;  // from the first change
};

// The change of one call, by the calling thread.
void change_result(const ResultChanger::Change& change);

}  // namespace fbx::inject
