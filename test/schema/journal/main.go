// Command journal holds every request in a sandbox's journal (JSON lines, standard input) to the vendor's schemas. Tests that live in
// modules of their own run it: they need none of the validator's dependencies.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/notifier/notifier/test/schema"
)

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 8<<20)
	n, bad := 0, 0
	for in.Scan() {
		n++
		var e struct {
			Method string          `json:"method"`
			Path   string          `json:"path"`
			Body   json.RawMessage `json:"body"`
		}
		err := json.Unmarshal(in.Bytes(), &e)
		if err == nil {
			err = schema.Request(e.Method, e.Path, e.Body)
		}
		if err != nil {
			bad++
			fmt.Printf("request %d: %v\n%s\n", n, err, in.Bytes())
		}
	}
	if err := in.Err(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("%d requests, %d break the vendor's schemas\n", n, bad)
	if n == 0 || bad > 0 {
		os.Exit(1)
	}
}
