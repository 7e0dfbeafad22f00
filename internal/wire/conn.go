package wire

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/notifier/notifier/internal/failpoint"
)

// framing is what may be read of one exchange beside the body: header and the framing of chunks.
const framing = 32 << 10

// Conn is one HTTP/1.1 connection, used by one call at a time.
type Conn struct {
	net.Conn            // TLS, or raw itself
	raw      *countConn // below TLS
	opt      *Options
	host     *Host
	limit    *io.LimitedReader
	reader   *bufio.Reader
	born     time.Time
	uses     int
	timer    *time.Timer // closes it when idle and too old; owned by the pool
}

func newConn(h *Host, o *Options, top net.Conn, raw *countConn) *Conn {
	limit := &io.LimitedReader{R: top}
	return &Conn{Conn: top, raw: raw, opt: o, host: h, limit: limit, reader: bufio.NewReader(limit), born: time.Now()}
}

// countConn counts what was handed to the kernel, so that TLS cannot hide a half-written record.
type countConn struct {
	net.Conn
	written atomic.Int64
}

func (c *countConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written.Add(int64(n))
	return n, err
}

// abort drops the connection and what the kernel still holds of the request: linger 0 sends a reset instead of
// delivering it after we gave up (design.md 3.5).
func (k *Conn) abort() { k.raw.abort() }

func (c *countConn) abort() {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0)
	}
	_ = c.Conn.Close()
}

// Exchange writes one request and reads its whole answer before the context's deadline. sent: a byte may have left.
// When it returns an error the connection is gone.
func (k *Conn) Exchange(ctx context.Context, req *http.Request) (resp *http.Response, body []byte, sent bool, err error) {
	stop := context.AfterFunc(ctx, k.abort) // the deadline, and the caller's cancellation
	defer func() {
		// A stop that comes too late means that abort runs: the answer stands, the connection does not.
		if !stop() || err != nil || resp.Close || k.reader.Buffered() > 0 {
			k.uses = k.opt.MaxUses
			k.abort()
		}
	}()
	deadline, _ := ctx.Deadline()
	setUserTimeout(k.raw.Conn, time.Until(deadline))
	k.uses++
	k.limit.N = k.opt.MaxBody + framing

	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, nil, false, fmt.Errorf("write request: %w", err)
	}
	// The last look at the clocks before the first byte. A process that was stopped in between has passed its
	// deadline without the context's timer having fired yet.
	if err := Expired(ctx, deadline); err != nil {
		return nil, nil, false, err
	}
	before := k.raw.written.Load()
	if failpoint.Enabled {
		_, _ = k.Write(wire.Next(1)) // a broken connection shows in the rest
		failpoint.Here(failpoint.FirstByte)
	}
	_, writeErr := k.Write(wire.Bytes())
	sent = k.raw.written.Load() > before
	if writeErr != nil && !sent {
		return nil, nil, false, fmt.Errorf("write request: %w", writeErr)
	}
	failpoint.Here(failpoint.FullRequest)
	// After a broken write an answer may still be there: a server that refuses early need not read everything.
	resp, body, err = k.read(req)
	if err != nil {
		if writeErr != nil {
			err = writeErr
		}
		if over := Expired(ctx, deadline); over != nil {
			err = fmt.Errorf("%w (%w)", over, err)
		}
		return nil, nil, sent, fmt.Errorf("no complete answer: %w", err)
	}
	return resp, body, true, nil
}

// read takes the answer, past interim ones.
func (k *Conn) read(req *http.Request) (*http.Response, []byte, error) {
	for {
		resp, err := http.ReadResponse(k.reader, req)
		if err != nil {
			return nil, nil, k.tooLarge(err)
		}
		if resp.StatusCode < 200 && resp.StatusCode != http.StatusSwitchingProtocols {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, k.opt.MaxBody+1))
		if err == nil && int64(len(body)) > k.opt.MaxBody {
			err = k.errTooLarge()
		}
		if err != nil {
			return nil, nil, k.tooLarge(err)
		}
		return resp, body, nil
	}
}

// tooLarge names the limit when it, and not the far side, ended the reading.
func (k *Conn) tooLarge(err error) error {
	if k.limit.N <= 0 {
		return k.errTooLarge()
	}
	return err
}

func (k *Conn) errTooLarge() error {
	return fmt.Errorf("the answer is longer than %d KiB", k.opt.MaxBody>>10)
}

// reusable: another request may follow.
func (k *Conn) reusable() bool { return k.uses < k.opt.MaxUses && time.Since(k.born) < k.opt.MaxAge }

// Expired is the context's end judged by the clocks themselves, the monotonic and the wall one; a wall clock that was
// set forward past the deadline counts, since the charge is dated by it (design.md 3.4).
func Expired(ctx context.Context, deadline time.Time) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if now := time.Now(); !now.Before(deadline) || !now.Round(0).Before(deadline.Round(0)) {
		return context.DeadlineExceeded
	}
	return nil
}
