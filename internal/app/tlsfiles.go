package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/notifier/notifier/internal/settings"
)

// tlsFiles are the PEM files of kafka.tls. Each new connection goes by what they held when they were last read.
type tlsFiles struct {
	paths  settings.TLS
	read   [3][]byte // ca, cert, key; only refresh touches it
	config atomic.Pointer[tls.Config]
}

// dialWait bounds TCP and TLS of one connection to a broker.
const dialWait = 10 * time.Second

func (f *tlsFiles) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialWait)
	defer cancel()
	d := tls.Dialer{Config: f.config.Load()}
	return d.DialContext(ctx, network, addr)
}

// refresh reads the files again. On an error the last ones stay: the files of a pair are seldom replaced in one moment.
func (f *tlsFiles) refresh() (changed bool, err error) {
	cfg, now, wrong := f.paths.Config()
	if wrong != nil {
		return false, wrong
	}
	if f.config.Load() != nil && bytes.Equal(now[0], f.read[0]) && bytes.Equal(now[1], f.read[1]) && bytes.Equal(now[2], f.read[2]) {
		return false, nil
	}
	f.read = now
	f.config.Store(cfg)
	return true, nil
}
