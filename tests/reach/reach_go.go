// SPDX-License-Identifier: Apache-2.0
//
// The victim in Go. With cgo it is linked dynamically, and makes its calls itself all the same.
package main

import (
	"bufio"
	"errors"
	"net"
	"os"
	"syscall"
)

func mark(err error) string {
	if err == nil {
		return "."
	}
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ECONNREFUSED) {
		return "E"
	}
	return "?"
}

func onOut(call func(*os.File) error) error {
	out, err := os.OpenFile("/tmp/out", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0666)
	if err != nil {
		return err
	}
	defer out.Close()
	return call(out)
}

func writeOne() error {
	return onOut(func(out *os.File) error { _, err := out.Write([]byte("x")); return err })
}

func syncOne() error { return onOut(func(out *os.File) error { return out.Sync() }) }

func openOne() error {
	file, err := os.Create("/tmp/new")
	if err != nil {
		return err
	}
	file.Close()
	return os.Remove("/tmp/new")
}

func connectOne() error {
	peer, err := net.Dial("tcp", "127.0.0.1:7000")
	if err != nil {
		return err
	}
	return peer.Close()
}

func carryOut(what byte) string {
	call, times := writeOne, 9
	switch what {
	case 'S':
		call, times = syncOne, 3
	case 'O':
		call, times = openOne, 3
	case 'C':
		call, times = connectOne, 3
	}
	marks := ""
	for i := 0; i < times; i++ {
		marks += mark(call())
	}
	return marks
}

func main() {
	touchC()
	port := os.Getenv("PORT")
	if port == "" {
		port = "7000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		os.Exit(97)
	}
	for {
		peer, err := listener.Accept()
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(peer)
		for lines.Scan() {
			if _, err := peer.Write([]byte(carryOut(lines.Text()[0]) + "\n")); err != nil {
				break
			}
		}
		peer.Close()
	}
}
