// SPDX-License-Identifier: Apache-2.0

// An HTTP server that is a client as well: /ask asks PEER and passes its answer on, /ping says pong.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func ask(w http.ResponseWriter, _ *http.Request) {
	resp, err := http.Get("http://" + os.Getenv("PEER") + "/")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	io.Copy(w, resp.Body)
}

func main() {
	http.DefaultTransport.(*http.Transport).DisableKeepAlives = true
	http.HandleFunc("/ask", ask)
	http.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pong\n") })
	log.Fatal(http.ListenAndServe("127.0.0.1:8090", nil))
}
