package trace

import (
	"bytes"
	"testing"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// What a collector answers is anybody's bytes. What OpenTelemetry's own code writes is read as it reads it.
func FuzzCollectorAnswer(f *testing.F) {
	for _, n := range []int64{0, 1, 300, 1 << 31, -1} {
		b, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: n, ErrorMessage: "why"}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := rejected(b)
		if got < 0 || got > 1<<31 {
			t.Fatalf("%x: %d spans", b, got)
		}
		var r collector.ExportTraceServiceResponse
		if proto.Unmarshal(b, &r) != nil {
			return
		}
		written, err := proto.Marshal(&r)
		if n := r.GetPartialSuccess().GetRejectedSpans(); err == nil && bytes.Equal(b, written) && n >= 0 && n <= 1<<31 && got != n {
			t.Errorf("%x: %d spans, want %d", b, got, n)
		}
	})
}

// A header is anybody's bytes too. What is read is written again as what it says.
func FuzzTraceparent(f *testing.F) {
	f.Add([]byte(header))
	f.Add([]byte("cc" + header[2:] + "-more"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _, ok := Parse(b)
		if !ok {
			if c != (Context{}) {
				t.Errorf("%q gives %s", b, c)
			}
			return
		}
		if s := c.String(); s[2:52] != string(b[2:52]) {
			t.Errorf("%q is %s", b, s)
		}
	})
}
