package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// Entry is one arrival at the vendor, in the order of execution. What a client saw
// may differ: Fault names what stood between.
type Entry struct {
	Seq       int64               `json:"seq"`   // from 1; starts again after a reset
	AtMS      int64               `json:"at_ms"` // vendor clock at execution
	Vendor    string              `json:"vendor"`
	Host      string              `json:"host"` // primary, backup
	App       string              `json:"app"`  // App Key as sent
	Method    string              `json:"method"`
	Path      string              `json:"path"`
	Conn      int64               `json:"conn"`    // number of the connection, from 1
	Headers   map[string]string   `json:"headers"` // without the signature
	Body      json.RawMessage     `json:"body"`    // decoded; a JSON string when it could not be
	HTTP      int                 `json:"http"`    // 0 = no answer was made
	Code      int                 `json:"code"`    // vendor code of the answer, 0 = none
	Answer    json.RawMessage     `json:"answer,omitempty"`
	Executed  bool                `json:"executed"`
	Effective *Effective          `json:"effective,omitempty"`
	Matched   []string            `json:"matched,omitempty"` // RongCloud, filter: users whose stored tags fit it; Getui, push to an app: devices reached; the first 1000
	Rendered  map[string]Rendered `json:"rendered,omitempty"`
	Repeats   []string            `json:"repeats,omitempty"` // request ids of Getui that were answered but not sent again
	Recalls   int64               `json:"recalls,omitempty"` // seq of the message that this call took back
	Fault     string              `json:"fault,omitempty"`   // kind of the fault that met this call
}

// The journal in memory keeps the last journalEntries arrivals, and fewer when
// their bodies and answers exceed journalBytes. The log file has everything.
const (
	journalEntries = 100_000
	journalBytes   = 64 << 20
)

type journal struct {
	entries []Entry
	bytes   int
	last    int64 // seq of the newest entry
}

func (e *Entry) size() int { return len(e.Body) + len(e.Answer) }

func (j *journal) add(e *Entry) {
	j.last++
	e.Seq = j.last
	j.entries = append(j.entries, *e)
	j.bytes += e.size()
	for len(j.entries) > journalEntries || j.bytes > journalBytes && len(j.entries) > 1 {
		j.bytes -= j.entries[0].size()
		j.entries[0] = Entry{}
		j.entries = j.entries[1:]
	}
}

// after returns the entries with a higher seq.
func (j *journal) after(seq int64) []Entry {
	first := j.last - int64(len(j.entries)) // seq before the oldest kept entry
	skip := min(max(seq-first, 0), int64(len(j.entries)))
	return append([]Entry{}, j.entries[skip:]...)
}

// logFile appends entries as JSON lines. Lines are written in execution order by a
// caller that holds Server.mu; waiting for the disk happens outside, and one sync
// serves everybody who wrote before it.
type logFile struct {
	file *os.File

	mu      sync.Mutex // guards written, broken
	written int64      // lines
	broken  error      // first failure; final

	syncing sync.Mutex // guards synced
	synced  int64      // lines
}

func openLog(path string) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return &logFile{file: f}, nil
}

// write appends an entry and returns its line number for sync.
func (l *logFile) write(e *Entry) (int64, error) {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = l.file.Write(append(line, '\n'))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.broken == nil {
		l.broken = fmt.Errorf("write log: %w", err) // the os error names the file
	}
	l.written++
	return l.written, l.broken
}

// sync returns when the line is on disk.
func (l *logFile) sync(line int64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	if l.synced >= line {
		return nil
	}
	l.mu.Lock()
	upTo := l.written
	l.mu.Unlock()
	if err := l.file.Sync(); err != nil {
		return l.fail(fmt.Errorf("sync log: %w", err))
	}
	l.synced = upTo
	return nil
}

// fail keeps the first failure and returns it.
func (l *logFile) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = err
	}
	return l.broken
}

// close returns the first failure of the log's life, if any.
func (l *logFile) close() error {
	err := l.file.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.broken, err)
}
