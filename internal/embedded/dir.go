package embedded

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Files of ours in the data directory; the rest is kfake's.
const (
	lockFile    = "lock"
	addressFile = "address"
	probeFile   = "probe"
)

// minFree is what must be free on the directory's file system: below it the broker does not start, and stops.
// A stop with some room left can still write its state.
const minFree = 64 << 20

// probeEvery bounds how long a full or failing disk goes unnoticed while nobody writes; with writes it is
// noticed at the first one.
const probeEvery = 5 * time.Second

// lock takes the directory for one broker. The lock dies with the process.
func lock(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the broker's data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the broker's data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the broker's data directory %s: %w", dir, err)
		}
		return nil, fmt.Errorf("%w: another process runs a broker on %s; stop it, or use another directory", ErrLocked, dir)
	}
	return f.Close, nil
}

// Address returns where the broker on dir listens, for other processes of this machine. It is an error when
// nothing listens there. (It dials rather than look at the lock: looking takes it for an instant, and could keep a
// broker from starting.)
func Address(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("find the embedded broker in %s: %w", dir, err)
	}
	addr := strings.TrimSpace(string(raw))
	if err == nil {
		conn, err := net.DialTimeout("tcp", addr, 2*time.Second)
		if err == nil {
			return addr, conn.Close()
		}
	}
	return "", &DownError{Dir: dir}
}

// DownError is returned by Address where no broker listens.
type DownError struct{ Dir string }

func (e *DownError) Error() string {
	return fmt.Sprintf("the embedded broker in %s does not run: start `notifier run` first", e.Dir)
}

// lastPort is the port of the last start, 0 when there is none.
func lastPort(dir string) int {
	addr, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		return 0
	}
	_, port, err := net.SplitHostPort(strings.TrimSpace(string(addr)))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0
	}
	return int(n)
}

// writeAddress replaces the file as a whole, so that no reader sees half of it.
func writeAddress(dir, addr string) error {
	path := filepath.Join(dir, addressFile)
	if err := os.WriteFile(path+".new", []byte(addr+"\n"), 0o644); err != nil {
		return fmt.Errorf("write the broker's address: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the broker's address: %w", err)
	}
	return nil
}

// probe finds out whether the directory can be written and has room left.
func probe(dir string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := uint64(fs.Bavail) * uint64(fs.Bsize); free < minFree {
		return fmt.Errorf("only %d MiB are free on %s, the broker needs at least %d MiB: free some space: %w", free>>20, dir, minFree>>20, syscall.ENOSPC)
	}
	path := filepath.Join(dir, probeFile)
	f, err := os.Create(path)
	if err == nil {
		_, werr := f.Write(make([]byte, 4096))
		err = errors.Join(werr, f.Sync(), f.Close(), os.Remove(path))
	}
	if err != nil {
		return fmt.Errorf("test write to %s: %w", dir, err)
	}
	return nil
}

func (b *Broker) watchDir(dir string) {
	t := time.NewTicker(probeEvery)
	defer t.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-b.done:
			return
		case <-t.C:
			if err := probe(dir); err != nil {
				b.fail(err)
				return
			}
		}
	}
}
