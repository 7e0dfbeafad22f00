// Command journal holds every request in a sandbox's journal (JSON lines, standard input) to the vendor's schemas. Tests that live in
// modules of their own run it: they need none of the validator's dependencies.
package main

import (
	"fmt"
	"os"

	"github.com/notifier/notifier/test/schema"
)

func main() {
	n, bad := schema.Journal(os.Stdin)
	for _, err := range bad {
		fmt.Println(err)
	}
	fmt.Printf("%d requests, %d break the vendor's schemas\n", n, len(bad))
	if n == 0 || len(bad) > 0 {
		os.Exit(1)
	}
}
