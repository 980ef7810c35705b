// SPDX-License-Identifier: Apache-2.0
#include "tests/sabotage/sabotage.h"

#include "tests/sabotage/injector_sabotage.h"
#include "tests/sabotage/observer_sabotage.h"
#include "tests/sabotage/under_the_seams.h"
#include "tests/sabotage/wrappers.h"

namespace fbx::sabotage {

namespace {

using Machine = std::unique_ptr<run::Machine>;

constexpr Sabotage kAll[] = {
    {"none", "nothing is sabotaged", +[]() -> Machine { return run::real_machine(); }},
    {"partition-does-nothing", "a partition is logged and not enforced",
     +[]() -> Machine { return wrapped_machine({}, partition_does_nothing); }},
    {"partition-half", "a partition refuses new connections and resets none",
     +[]() -> Machine { return wrapped_machine({}, partition_half); }},
    {"resets-vanish", "the resets of a partition never arrive", +[]() -> Machine {
       under_the_seams().resets_vanish = true;
       return run::real_machine();
     }},
    {"install-is-late", "install() returns and installs at the next look at what it did",
     +[]() -> Machine { return wrapped_machine({}, install_is_late); }},
    {"rules-bind-late", "rules and cuts are logged at once and bind after the next request",
     +[]() -> Machine {
       under_the_seams().rules_bind_late = true;
       return run::real_machine();
     }},
    {"lift-does-nothing", "nothing is lifted when its scope is left",
     +[]() -> Machine { return wrapped_machine({}, lift_does_nothing); }},
    {"cuts-stay", "a healed link stays cut in the kernel", +[]() -> Machine {
       under_the_seams().cuts_stay = true;
       return run::real_machine();
     }},
    {"seccomp-never-works", "what a supervisor denies goes on all the same, always",
     +[]() -> Machine {
       under_the_seams().seccomp_always_continues = true;
       return run::real_machine();
     }},
    {"seccomp-ignored", "it worked when it was tried, and in the test no more",
     +[]() -> Machine { return wrapped_machine({}, ignores_seccomp); }},
    {"gate-gone", "the shim's filter lets everything pass", +[]() -> Machine {
       under_the_seams().gate_gone = true;
       return run::real_machine();
     }},
    {"ring-loses-loudly", "every third record is lost, and counted as lost",
     +[]() -> Machine { return wrapped_machine(loses_and_says_so, {}); }},
    {"ring-loses-silently", "every third record is gone between the ring and its reader",
     +[]() -> Machine {
       under_the_seams().steal_every = 3;
       return run::real_machine();
     }},
    {"barrier-does-not-wait", "a reply may arrive before the record of its own write",
     +[]() -> Machine { return wrapped_machine(barrier_does_not_wait, {}); }},
    {"sees-nothing", "no record of anything, and nothing lost",
     +[]() -> Machine { return wrapped_machine(sees_nothing, {}); }},
    {"watches-no-call", "no call is of interest to the programs",
     +[]() -> Machine { return wrapped_machine(watches_no_call, {}); }},
    {"watches-strangers", "no service is known to the programs",
     +[]() -> Machine { return wrapped_machine(watches_strangers, {}); }},
};

}  // namespace

std::span<const Sabotage> all() { return kAll; }

}  // namespace fbx::sabotage
