package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of a record of <prefix>.dead: where the record was and why it died. The record itself, its key, its value and its own headers
// before these are the original's (design.md 3, Topics).
const (
	DeadPrefix     = "n-"
	DeadReason     = "n-reason"
	DeadTopic      = "n-topic"
	DeadPartition  = "n-partition"
	DeadOffset     = "n-offset"
	DeadDetail     = "n-detail"
	DeadAt         = "n-at"
	DeadLength     = "n-length"      // of the value, if it was cut
	DeadSHA256     = "n-sha256"      // of the whole value, if it was cut
	DeadKeyLength  = "n-key-length"  // of the key, if it was cut
	DeadHeadersCut = "n-headers-cut" // how many headers were left out

	// DeadReplayed is on a record that an operator sent to its topic again: the id of its dead letter.
	DeadReplayed = "n-replayed"
)

// DeadLetter is a record of <prefix>.dead as people see it.
type DeadLetter struct {
	ID        string    `json:"id"` // of the dead letter, PARTITION@OFFSET
	At        time.Time `json:"at"`
	Reason    Reason    `json:"reason"`
	Detail    string    `json:"detail"`
	Topic     string    `json:"topic"` // where the original was
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Bytes     int       `json:"bytes"`              // of the value that is kept
	Cut       string    `json:"cut,omitempty"`      // what of the original is not kept, so that it cannot be replayed
	Replays   int       `json:"replays,omitempty"`  // how often an operator sent it again
	Replayed  string    `json:"replayed,omitempty"` // it was a replay itself: of which dead letter
}

// Read fills in what a header says; headers that are not ours are left alone. The original may have headers of the same names: ours
// come after them.
func (d *DeadLetter) Read(key, value string) {
	switch key {
	case DeadReason:
		d.Reason = Reason(value)
	case DeadTopic:
		d.Topic = value
	case DeadPartition:
		n, _ := strconv.ParseInt(value, 10, 32)
		d.Partition = int32(n)
	case DeadOffset:
		d.Offset, _ = strconv.ParseInt(value, 10, 64)
	case DeadDetail:
		d.Detail = value
	case DeadAt:
		d.At, _ = time.Parse(time.RFC3339Nano, value)
	case DeadLength:
		d.Cut = fmt.Sprintf("the value had %s bytes", value)
	case DeadKeyLength:
		d.Cut = fmt.Sprintf("the key had %s bytes", value)
	case DeadHeadersCut:
		d.Cut = fmt.Sprintf("%s headers were left out", value)
	case DeadReplayed:
		d.Replayed = value
	}
}

// DeadID names a dead letter by its place.
func DeadID(partition int32, offset int64) string { return fmt.Sprintf("%d@%d", partition, offset) }

// ArgLetters is the argument of a replay: the dead letters that were sent again.
const ArgLetters = "letters"

// JoinLetters writes ids of dead letters with runs of offsets as one: 0@5-9,1@3. The ids are in order.
func JoinLetters(ids []string) string {
	type run struct {
		p        string
		from, to int64
	}
	var runs []run
	for _, id := range ids {
		p, o, _ := strings.Cut(id, "@")
		at, _ := strconv.ParseInt(o, 10, 64)
		if n := len(runs); n > 0 && runs[n-1].p == p && runs[n-1].to+1 == at {
			runs[n-1].to = at
			continue
		}
		runs = append(runs, run{p, at, at})
	}
	parts := make([]string, len(runs))
	for i, r := range runs {
		if parts[i] = fmt.Sprintf("%s@%d", r.p, r.from); r.to > r.from {
			parts[i] += fmt.Sprintf("-%d", r.to)
		}
	}
	return strings.Join(parts, ",")
}

// Letters are runs of dead letters as JoinLetters writes them.
type Letters []lettersRun

type lettersRun struct {
	partition int32
	from, to  int64
}

// SplitLetters reads what JoinLetters wrote; what it cannot read is left out.
func SplitLetters(s string) (out Letters) {
	for part := range strings.SplitSeq(s, ",") {
		p, o, _ := strings.Cut(part, "@")
		from, to, more := strings.Cut(o, "-")
		if !more {
			to = from
		}
		n, err1 := strconv.ParseInt(p, 10, 32)
		f, err2 := strconv.ParseInt(from, 10, 64)
		t, err3 := strconv.ParseInt(to, 10, 64)
		if err1 == nil && err2 == nil && err3 == nil {
			out = append(out, lettersRun{int32(n), f, t})
		}
	}
	return out
}

// Has reports whether a dead letter is among them.
func (l Letters) Has(partition int32, offset int64) bool {
	for _, r := range l {
		if r.partition == partition && r.from <= offset && offset <= r.to {
			return true
		}
	}
	return false
}

// MaxDead is how much of a record's value and key a dead letter keeps.
const MaxDead = 64 << 10

// NewDead makes the dead letter of a record: the record itself, for replay, unless keep is false, and where it was and why it died
// (design.md 3, Topics).
func NewDead(t Topics, r *kgo.Record, reason Reason, detail string, keep bool, at time.Time) *kgo.Record {
	detail = cut(detail, 500)
	d := &kgo.Record{Topic: t.Dead}
	head := func(k, v string) { d.Headers = append(d.Headers, kgo.RecordHeader{Key: k, Value: []byte(v)}) }
	if keep {
		d.Key, d.Value, d.Headers = r.Key, r.Value, slices.Clone(boundHeaders(r.Headers))
		if n := len(r.Headers) - len(d.Headers); n > 0 {
			head(DeadHeadersCut, strconv.Itoa(n))
		}
		if len(r.Key) > MaxDead {
			d.Key = r.Key[:MaxDead]
			head(DeadKeyLength, strconv.Itoa(len(r.Key)))
		}
		if len(r.Value) > MaxDead {
			d.Value = r.Value[:MaxDead]
			sum := sha256.Sum256(r.Value)
			head(DeadLength, strconv.Itoa(len(r.Value)))
			head(DeadSHA256, hex.EncodeToString(sum[:]))
		}
	}
	head(DeadReason, string(reason))
	head(DeadTopic, r.Topic)
	head(DeadPartition, strconv.Itoa(int(r.Partition)))
	head(DeadOffset, strconv.FormatInt(r.Offset, 10))
	head(DeadDetail, detail)
	head(DeadAt, at.UTC().Format(time.RFC3339Nano))
	return d
}

// boundHeaders drops the record's own headers from the first that makes them too much together.
func boundHeaders(hs []kgo.RecordHeader) []kgo.RecordHeader {
	size := 0
	for i, h := range hs {
		if size += len(h.Key) + len(h.Value); size > MaxDead {
			return hs[:i:i]
		}
	}
	return hs
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
