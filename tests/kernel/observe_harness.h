// SPDX-License-Identifier: Apache-2.0
//
// What every kernel test of the observer needs: a run's cgroup with leaves of services, the
// programs attached to it once, victims born in a leaf. Everything made here is gone when the test
// program ends, also when it fails: processes first, then directories.
//
// Needs root and cgroup v2. Thread rule: one thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runner/observe/bpf_observer.h"

namespace fbx::observe::testing {

// The run of this test program: made on first use, attached once, removed at exit.
class Run {
 public:
  static Run& get();
  ~Run();
  BpfObject& object() { return *object_; }
  // Descriptor and id of the leaf of that name, made when new.
  int leaf(const std::string& name);
  uint64_t leaf_id(const std::string& name);
  // Of the leaf in which this process lives.
  [[nodiscard]] uint64_t own_id() const { return own_id_; }
  [[nodiscard]] const std::string& dir() const { return dir_; }

 private:
  Run();
  std::string dir_;
  std::unique_ptr<BpfObject> object_;
  std::map<std::string, int> leaves_;
  uint64_t own_id_ = 0;
  pid_t owner_ = 0;
};

// A process born in a leaf, killed and reaped at the end if it still runs.
class Victim {
 public:
  // Runs argv with its output in a pipe and its input from one.
  Victim(const std::string& leaf, std::vector<std::string> argv);
  // Runs `body` in a fork; its value is the exit status.
  Victim(const std::string& leaf, const std::function<int()>& body);
  ~Victim();
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Waits for its end (bounded by the test's own timeout) and gives the wait status.
  int wait();
  // It has ended; wait() does not wait any more.
  [[nodiscard]] bool ended();
  // Everything it printed, until it closes its output.
  std::string output();
  // Its next line, without the line end; "" at the end.
  std::string line();
  void say(const std::string& text);
  void close_input();

 private:
  pid_t pid_ = -1;
  int out_ = -1, in_ = -1;
  int status_ = 0;
  bool reaped_ = false;
};

// An observer of this process as worker 0 with service 0 in leaf "a", 1 in "b", …
std::unique_ptr<BpfObserver> observer(uint32_t ring_bytes = 8u << 20);

// Watches leaves "a", "b", … for the calls that the keywords mean.
TestWatch watch(int services, const std::vector<std::string>& keywords);

// The events of one service in the store, of the calls that `keyword` means ("" = all).
std::vector<Event> events(EventStore& store, int16_t service, const std::string& keyword = "");

// "openat 3 /tmp/x", for messages.
std::string show(EventStore& store, const Event& event);

// A fresh directory below /tmp, removed at exit.
std::string scratch_dir();

// Where victims are built.
std::string victim(const std::string& name);

}  // namespace fbx::observe::testing
