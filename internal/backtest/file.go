package backtest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/notifier/notifier/internal/event"
)

// File is history in a file, a record a line. It is read twice: the first time finds where each line lies and puts them in the order of
// time, as dumps of several partitions are not.
type File struct {
	f     *os.File
	lines []place // 32 bytes a record is what a file needs of memory
}

// place is one line of the file.
type place struct {
	at   int64 // unix milliseconds
	off  int64
	len  int
	line int
}

// maxLine bounds one line: a record of Kafka's largest size, with every byte escaped.
const maxLine = 64 << 20

// OpenFile finds the records of a file.
func OpenFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	h := &File{f: f}
	if err := h.index(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return h, nil
}

// Close closes the file.
func (h *File) Close() error { return h.f.Close() }

// Len is how many records there are.
func (h *File) Len() int { return len(h.lines) }

func (h *File) index(path string) error {
	in := bufio.NewScanner(h.f)
	in.Buffer(make([]byte, 256<<10), maxLine)
	off, line := int64(0), 0
	in.Split(func(data []byte, end bool) (int, []byte, error) { // as bufio.ScanLines, which does not say where a line began
		n, token, err := bufio.ScanLines(data, end)
		off += int64(n)
		return n, token, err
	})
	began := int64(0)
	for in.Scan() {
		line++
		b := in.Bytes()
		if len(bytes.TrimSpace(b)) > 0 {
			at, err := lineTime(b)
			if err != nil {
				return &LineError{path, line, err}
			}
			h.lines = append(h.lines, place{at: at, off: began, len: len(b), line: line})
		}
		began = off
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read %s after line %d: %w", path, line, err)
	}
	inTime := func(a, b place) int { return cmp.Compare(a.at, b.at) }
	if !slices.IsSortedFunc(h.lines, inTime) {
		slices.SortStableFunc(h.lines, inTime)
	}
	return nil
}

// lineTime looks for the time alone; the whole line is read the second time.
func lineTime(b []byte) (int64, error) {
	at := gjson.GetBytes(b, "timestamp")
	if !at.Exists() {
		at = gjson.GetBytes(b, "ts")
	}
	if !at.Exists() { // whatever else is wrong with it is worth more than this
		_, err := parse(bytes.TrimSpace(b))
		return 0, cmp.Or(err, errNoTime)
	}
	t, err := timeOf(at)
	return t.UnixMilli(), err
}

// LineError says which line is no record.
type LineError struct {
	Path string
	Line int
	err  error
}

func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d is no record: %v; a line is {\"topic\": ..., \"key\": ..., \"timestamp\": ..., \"value\": ...}, or one of `kcat -J`", e.Path, e.Line, e.err)
}

func (e *LineError) Unwrap() error { return e.err }

// ZH is Error in Chinese.
func (e *LineError) ZH() string {
	why := e.err.Error()
	if f, ok := errors.AsType[*fault](e.err); ok {
		why = f.says.ZH
	}
	return fmt.Sprintf("%s:%d 不是记录：%s；每行写 {\"topic\": ..., \"key\": ..., \"timestamp\": ..., \"value\": ...}，或 `kcat -J` 的输出", e.Path, e.Line, why)
}

// Each is a Source. Records without an offset of their own have the number of their line.
func (h *File) Each(take func(event.Record) error) error {
	w := window{in: h.f}
	for _, p := range h.lines {
		b, err := w.bytes(p.off, p.len)
		if err != nil {
			return fmt.Errorf("read %s: %w", h.f.Name(), err)
		}
		rec, err := parse(bytes.TrimSpace(b))
		if err != nil {
			return &LineError{h.f.Name(), p.line, err}
		}
		if rec.Offset < 0 {
			rec.Offset = int64(p.line)
		}
		if err := take(rec); err != nil {
			return err
		}
	}
	return nil
}

// window reads a file where it is wanted, much at once. What it gave stays as it is.
type window struct {
	in  io.ReaderAt
	off int64
	buf []byte
}

const windowSize = 256 << 10

func (w *window) bytes(off int64, n int) ([]byte, error) {
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		buf := make([]byte, max(n, windowSize))
		got, err := w.in.ReadAt(buf, off)
		if got < n {
			return nil, cmp.Or(err, io.ErrUnexpectedEOF)
		}
		w.off, w.buf = off, buf[:got]
	}
	from := off - w.off
	return w.buf[from : from+int64(n) : from+int64(n)], nil
}
