// SPDX-License-Identifier: Apache-2.0

package main

// #include <unistd.h>
import "C"

func touchC() { C.getpid() }
