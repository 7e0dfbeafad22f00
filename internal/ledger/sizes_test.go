package ledger

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// What a partition needs is told by the sizes of its records, those of an earlier owner included.
func TestLiveBytesGoByTheRecordsOfEveryOwner(t *testing.T) {
	opt, _ := cluster(t, 1)
	old := takeOver(t, opt)
	begin(t, old)
	at := Attempt{ID: "a-1", State: Started}
	b, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(AttemptKey("a-1")) + len(b))
	none := old.Writer.LiveBytes(Needs{})
	old.Writer.Put(AttemptKey("a-1"), at)
	old.Writer.Put(AttemptKey("a-2"), at)
	old.Writer.Delete(AttemptKey("a-2")) // a tombstone is nothing that is needed
	if err := old.Writer.Commit(within(t), Position{}); err != nil {
		t.Fatal(err)
	}
	if got := old.Writer.LiveBytes(Needs{Attempts: 3}) - none; got < 3*size-3 || got > 3*size+3 {
		t.Errorf("three attempts of %d bytes take %d", size, got)
	}
	next := takeOver(t, opt)
	if got := next.Writer.LiveBytes(Needs{Attempts: 1}) - next.Writer.LiveBytes(Needs{}); got < size-1 || got > size+1 {
		t.Errorf("an attempt of %d bytes of the owner before takes %d", size, got)
	}
	if got := next.Writer.LiveBytes(Needs{Once: 1000}) - next.Writer.LiveBytes(Needs{}); got != 0 {
		t.Errorf("records of a kind that was never seen take %d bytes", got)
	}
}

// Every reason that a fate may have has its series from the start: a reason that is added is added there.
func TestReasonsAreAll(t *testing.T) {
	src, err := os.ReadFile("fate.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[Reason]bool{Undecodable: true, TooLarge: true, SkippedByOperator: true, ReasonCallNotTaken: true} // of dead letters and resolutions
	for _, rs := range Reasons {
		for _, r := range rs {
			known[r] = true
		}
	}
	all := regexp.MustCompile(`(?m)Reason = "(.*?)"`).FindAllStringSubmatch(string(src), -1)
	if len(all) < 20 {
		t.Fatalf("only %d reasons found", len(all))
	}
	for _, m := range all {
		if !known[Reason(m[1])] {
			t.Errorf("Reasons lacks %q", m[1])
		}
	}
}
