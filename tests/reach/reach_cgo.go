// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

// #include <unistd.h>
import "C"

func touchC() { C.getpid() }
