// SPDX-License-Identifier: Apache-2.0
// A server as many are: net/http, calls in sequence and by goroutines all at once.
package main

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 512}}
var paths = []string{"/one", "/two", "/three", "/four"}

func call(i int, id string) {
	resp, err := client.Get("http://127.0.0.1:" + os.Args[2+i] + paths[i] + "?id=" + id)
	if err != nil {
		panic(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

func main() {
	http.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		n, _ := strconv.Atoi(id)
		if n%2 == 1 {
			for i := 0; i < 3; i++ {
				call(i, id)
			}
		} else {
			var wg sync.WaitGroup
			for i := 0; i < 3; i++ {
				wg.Add(1)
				go func(i int) { defer wg.Done(); call(i, id) }(i)
			}
			wg.Wait()
		}
		call(0, id)
		io.WriteString(w, "ok\n")
	})
	http.ListenAndServe("127.0.0.1:"+os.Args[1], nil)
}
