// SPDX-License-Identifier: Apache-2.0
//
// What a Go service does to an observer: calls from many threads, made without libc, and pre-empted by
// signals (SIGURG) wherever they are.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
)

func files(dir string, n int) {
	for i := 0; i < n; i++ {
		path := filepath.Join(dir, fmt.Sprint("f", i))
		if err := os.WriteFile(path, []byte("hello"), 0600); err != nil {
			panic(err)
		}
		os.Rename(path, path+".new")
		os.ReadFile(path + ".new")
		os.Open(path)
		os.Remove(path + ".new")
	}
}

func echo(n int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go io.Copy(conn, conn)
		}
	}()
	for i := 0; i < n; i++ {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			panic(err)
		}
		conn.Write([]byte("ping"))
		io.ReadFull(conn, make([]byte, 4))
		conn.Close()
	}
	listener.Close()
}

// Busy enough to be pre-empted while the others call.
func burn(stop chan bool) (sum int) {
	for {
		select {
		case <-stop:
			return
		default:
			for i := 0; i < 1<<20; i++ {
				sum += i
			}
		}
	}
}

func main() {
	stop := make(chan bool)
	go burn(stop)
	var all sync.WaitGroup
	for i := 0; i < 4; i++ {
		dir := filepath.Join(os.Args[1], fmt.Sprint("d", i))
		os.Mkdir(dir, 0700)
		all.Add(1)
		go func() { files(dir, 25); all.Done() }()
	}
	echo(10)
	all.Wait()
	close(stop)
}
