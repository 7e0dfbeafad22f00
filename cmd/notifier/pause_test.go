package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
)

// Who did not answer is named, with exit code 4; what the others said is told all the same.
func TestAPauseThatIsNotAnsweredNamesTheInstance(t *testing.T) {
	started := false
	cmd := newRootCmd(&started)
	var out bytes.Buffer
	cmd.SetOut(&out)
	answers := []ledger.Answer{{Partition: 0, Instance: "a", OK: true, Text: "paused", Flying: 1}, {Partition: 2, OK: true, Text: "stopped since yesterday"}}
	err := printAnswers(cmd, "pause all", answers, &query.SilentError{ID: "c1", Partitions: []int32{1}, Owners: []string{"b"}, Answers: answers})
	if err == nil || exitCode(err, true) != exitUnreachable || !strings.Contains(err.Error(), "no answer yet from partitions [1] (owned by [b])") {
		t.Errorf("%v, want exit %d that names b", err, exitUnreachable)
	}
	if !strings.HasSuffix(err.Error(), "; next: notifier status") {
		t.Errorf("%v, want that status shows what stands", err)
	}
	if err := recallAnswer(cmd, nil, &query.SilentError{ID: "c1", Cmd: ledger.CmdRecall}); exitCode(err, true) != exitUnreachable || !strings.HasSuffix(err.Error(), "; next: notifier attempts") {
		t.Errorf("%v, want that attempts show whether the recall was made", err)
	}
	if want := "partition 0 (a): paused\npartition 2 (nobody): stopped since yesterday\n"; out.String() != want {
		t.Errorf("said %q, want %q", out.String(), want)
	}
	out.Reset()
	if err := printAnswers(cmd, "pause all", answers, nil); err != nil || !strings.HasSuffix(out.String(), "1 call had left already\ndone: pause all\n") {
		t.Errorf("%v %q", err, out.String())
	}
}
