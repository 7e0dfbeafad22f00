package sdk

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// program is a running Vendor.java, vendor.js or Getui.java: one SDK, bound to one sandbox.
type program struct {
	in      io.WriteCloser
	results chan result
	noise   *strings.Builder // what the SDK printed; read it after results has closed
}

// result is what the SDK told its user about a call.
type result struct {
	Code    int                 `json:"code"`
	Message string              `json:"message"`
	ID      string              `json:"id"`
	Tags    map[string][]string `json:"tags"`
	Data    json.RawMessage     `json:"data"`   // Getui
	Thrown  string              `json:"thrown"` // refused before it was sent, or an exception
}

// startProgram runs a command with the sandbox's account and addresses as arguments, until the test ends.
func startProgram(t *testing.T, c command, s *sandbox) *program {
	t.Helper()
	return startWith(t, c, appKey, appSecret, s.primary, s.backup)
}

func startWith(t *testing.T, c command, args ...string) *program {
	t.Helper()
	cmd := exec.Command(c.args[0], append(slices.Clone(c.args[1:]), args...)...)
	cmd.Env = append(os.Environ(), c.env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = c.stderr()
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{in: in, results: make(chan result), noise: &strings.Builder{}}
	go func() {
		defer close(p.results)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			text, ok := strings.CutPrefix(lines.Text(), "RESULT ")
			if !ok {
				p.noise.WriteString(lines.Text() + "\n")
				continue
			}
			var r result
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				r.Thrown = text + ": " + err.Error()
			}
			p.results <- r
		}
	}()
	t.Cleanup(func() {
		_ = in.Close() // the programs end with their input
		for range p.results {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", c.args[0], err)
		}
	})
	return p
}

// call carries out one step.
func (p *program) call(t *testing.T, words ...string) result {
	t.Helper()
	if _, err := io.WriteString(p.in, strings.Join(words, " ")+"\n"); err != nil {
		t.Fatalf("%s: %v", words[0], err)
	}
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	select {
	case r, ok := <-p.results:
		if !ok {
			t.Fatalf("%s: the program has ended; it printed\n%s", words[0], p.noise)
		}
		return r
	case <-patience.C:
		t.Fatalf("%s: no result within a minute", words[0])
	}
	return result{}
}
