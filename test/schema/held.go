package schema

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/notifier/notifier/internal/sandbox"
)

// Hold holds whatever a sandbox was sent to the vendors' schemas, as the test ends: also what was refused, and what nobody looked at.
func Hold(t testing.TB, s *sandbox.Server) {
	t.Cleanup(func() {
		for _, e := range s.Journal(0) {
			if err := Request(e.Method, e.Path, e.Body); err != nil {
				t.Errorf("a request breaks the vendor's schema: %v\n%s", err, e.Body)
			}
		}
	})
}

// Journal holds a sandbox's journal in JSON lines to them, as `notifier sandbox --log` writes it: how many requests there are, and what is
// wrong with some.
func Journal(lines io.Reader) (n int, bad []error) {
	in := bufio.NewScanner(lines)
	in.Buffer(nil, 8<<20)
	for in.Scan() {
		n++
		var e struct {
			Method, Path string
			Body         json.RawMessage
		}
		err := json.Unmarshal(in.Bytes(), &e)
		if err == nil {
			err = Request(e.Method, e.Path, e.Body)
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("request %d: %w\n%s", n, err, in.Bytes()))
		}
	}
	if err := in.Err(); err != nil {
		bad = append(bad, err)
	}
	return n, bad
}
