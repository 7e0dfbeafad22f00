package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The app that exists when no other is given; it signs the vendor cases.
const (
	DefaultKey    = "sbx-app-key-01"
	DefaultSecret = "sandbox-secret-01"
)

// maxBody is the most bytes of a request that is read. The largest legal one is a
// form with 128 KiB of content, every byte percent-encoded.
const maxBody = 1 << 20

// App is one account at the vendor.
type App struct{ Vendor, Key, Secret string }

// Options say how to start. The zero value listens on 127.0.0.1, any ports, strict,
// in the machine's time, with the default app.
type Options struct {
	Addr       string // of the primary, a loopback address; port 0 = any. The backup takes the next port, or any
	Lenient    bool
	FixedClock bool   // the clock stands at 2026-01-01T00:00:00Z until it is told
	Log        string // path of the synced log, "" = none; appended to, a reset only starts seq again
	Seed       int64  // of ids and of faults with a probability
	Apps       []App  // nil = the default app
	Services   *Services
	Switches   *Switches

	Listen func(network, addr string) (net.Listener, error) // nil = net.Listen
	Now    func() time.Time                                 // nil = time.Now
}

// Ready is the one line that a started sandbox prints.
type Ready struct {
	Primary string `json:"rongcloud"`
	Backup  string `json:"rongcloud_backup"`
	Control string `json:"control"`
}

// Server is a running sandbox. Its methods may be called from any goroutine.
type Server struct {
	hosts []*host // primary, backup
	apps  []App
	seed  int64
	first Setup // what an empty reset returns to
	log   *logFile
	ctx   context.Context
	stop  context.CancelCauseFunc

	mu          sync.Mutex // guards what follows; held for one whole pipeline run
	world       *world
	connections int64
	closed      bool

	calls   sync.WaitGroup // requests under way; Add only while not closed
	ending  sync.Once
	release func() bool   // forgets the context given to Start
	ended   chan struct{} // closed when Close is done
	err     error         // what Close returns; set before ended closes
}

// Start opens both listeners and returns. The server runs until ctx ends or Close.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{apps: o.Apps, seed: o.Seed, ended: make(chan struct{})}
	if len(s.apps) == 0 {
		s.apps = []App{{Vendor: "rongcloud", Key: DefaultKey, Secret: DefaultSecret}}
	}
	if err := checkApps(s.apps); err != nil {
		return nil, err
	}
	s.first = Setup{Lenient: o.Lenient, Services: DefaultServices(), Switches: DefaultSwitches()}
	if o.Services != nil {
		s.first.Services = *o.Services
	}
	if o.Switches != nil {
		s.first.Switches = *o.Switches
	}
	zone, err := s.first.Switches.zone()
	if err != nil {
		return nil, err
	}
	addrs, err := addresses(o.Addr, o.Listen == nil)
	if err != nil {
		return nil, err
	}
	listen := o.Listen
	if listen == nil {
		listen = net.Listen
	}
	if o.Log != "" {
		if s.log, err = openLog(o.Log); err != nil {
			return nil, err
		}
	}
	c := clock{now: o.Now, fixed: o.FixedClock}
	if c.now == nil {
		c.now = time.Now
	}

	s.ctx, s.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	s.world = newWorld(s.ctx, s.first, zone, c.start(), s.apps, s.seed)
	for i, name := range []string{"primary", "backup"} {
		h := s.newHost(name, addrs[i], listen)
		if err := h.open(); err != nil {
			_ = s.Close()
			return nil, err
		}
		s.hosts = append(s.hosts, h)
	}
	s.release = context.AfterFunc(ctx, func() { _ = s.Close() })
	return s, nil
}

func checkApps(apps []App) error {
	seen := map[string]bool{}
	for _, a := range apps {
		switch {
		case a.Vendor != "rongcloud":
			return fmt.Errorf("app %q: vendor is %q; this sandbox serves rongcloud only", a.Key, a.Vendor)
		case a.Key == "" || a.Secret == "":
			return errors.New("app: key and secret must not be empty")
		case seen[a.Key]:
			return fmt.Errorf("app %q: given twice", a.Key)
		}
		seen[a.Key] = true
	}
	return nil
}

// addresses returns where primary and backup listen. On a real network they must
// be loopback: whoever reaches the control calls can do everything here.
func addresses(addr string, loopback bool) ([2]string, error) {
	addr = cmp.Or(addr, "127.0.0.1:0")
	name, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return [2]string{}, fmt.Errorf("address %q: must be host:port: %w", addr, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65534 {
		return [2]string{}, fmt.Errorf("address %q: port must lie in 0..65534", addr)
	}
	if ip := net.ParseIP(name); loopback && name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return [2]string{}, fmt.Errorf("address %q: the sandbox listens on loopback only, such as 127.0.0.1:0", addr)
	}
	backup := 0
	if port != 0 {
		backup = port + 1
	}
	return [2]string{addr, net.JoinHostPort(name, strconv.Itoa(backup))}, nil
}

func (s *Server) newHost(name, addr string, listen func(network, addr string) (net.Listener, error)) *host {
	h := &host{name: name, addr: addr, listen: listen, waiting: map[net.Conn]struct{}{}}
	h.server = &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(h, w, r) }),
		ReadHeaderTimeout: 10 * time.Second,
		ConnState:         h.state,
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are this server's trade
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.connections++
			return context.WithValue(ctx, connectionKey{}, &connection{number: s.connections})
		},
	}
	return h
}

// Ready says where the server listens.
func (s *Server) Ready() Ready {
	return Ready{Primary: s.hosts[0].url(), Backup: s.hosts[1].url(), Control: s.hosts[0].url() + controlPrefix}
}

func (s *Server) otherHost(name string) string {
	if name == s.hosts[0].name {
		return s.hosts[1].url()
	}
	return s.hosts[0].url()
}

// Close stops listening, lets calls that faults hold back go unanswered and waits
// for all of them. It returns the first failure of the log: with one, the log is
// not the truth.
func (s *Server) Close() error {
	s.ending.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.stop(errClosed)
		if s.release != nil {
			s.release()
		}
		for _, h := range s.hosts {
			h.close()
		}
		s.calls.Wait()
		if s.log != nil {
			s.err = s.log.close()
		}
		close(s.ended)
	})
	<-s.ended
	return s.err
}

var (
	errClosed = errors.New("sandbox closed")
	errReset  = errors.New("the sandbox was reset while this call was held back")
)

// Wait returns what Close returns, once the server has stopped.
func (s *Server) Wait() error {
	<-s.ended
	return s.err
}

// serve is the handler of one host.
func (s *Server) serve(h *host, w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		reset(w)
		return
	}
	s.calls.Add(1)
	s.mu.Unlock()
	defer s.calls.Done()

	if r.URL.Path == controlPrefix || strings.HasPrefix(r.URL.Path, controlPrefix+"/") {
		s.control(w, r)
		return
	}
	if h.refusing() { // came in while the listener closed
		reset(w)
		return
	}
	s.serveVendor(h, w, r)
}

// serveVendor reads a call, lets a fault have it or executes it.
func (s *Server) serveVendor(h *host, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil { // the client left within its request: nothing arrived
		reset(w)
		return
	}
	conn, _ := r.Context().Value(connectionKey{}).(*connection)
	a := &arrival{host: h.name, conn: conn, method: r.Method, path: r.URL.Path, header: r.Header, body: body}

	s.mu.Lock()
	a.world = s.world
	s.world.stats.Calls++
	s.world.stats.MaxPerConnection = max(s.world.stats.MaxPerConnection, conn.count(s.world))
	s.world.countConflict(a)
	f, met := s.world.meet(h.name, a.path)
	s.mu.Unlock()

	if len(a.body) > maxBody {
		a.body = a.body[:0] // not worth the journal's memory
		s.refuseWith(w, a, answer{status: 400, body: mustText(reply{Code: codeTooLong, ErrorMessage: "HTTP body too large", URL: a.path})})
		return
	}
	if met {
		a.fault = f.Kind
		faultKinds[f.Kind](s, w, r, a, f)
		return
	}
	out, err := s.process(a)
	if err != nil {
		reset(w) // executed but not on record: the client must not think it knows
		return
	}
	send(w, out)
}

// process runs the pipeline, journals and logs the call. The error is the log's, or
// errReset for a call from before a reset, which then is not executed.
func (s *Server) process(a *arrival) (answer, error) {
	s.mu.Lock()
	if a.world != s.world {
		s.mu.Unlock()
		return answer{}, errReset
	}
	e := a.describe(s.world.clock.ms())
	out := s.world.pipeline(a, e)
	body := mustText(out)
	e.HTTP, e.Code, e.Answer = httpStatus(out.Code), out.Code, body
	line, err := s.keep(e)
	s.mu.Unlock()
	return answer{status: e.HTTP, body: body}, s.settle(line, err)
}

// record journals a call that a fault kept from being executed; body is what the
// client is told, nil for nothing.
func (s *Server) record(a *arrival, status int, body []byte) {
	s.mu.Lock()
	if a.world != s.world {
		s.mu.Unlock()
		return
	}
	e := a.describe(s.world.clock.ms())
	e.HTTP, e.Code = status, codeOf(body)
	if body != nil {
		e.Answer = asJSON(body)
	}
	line, err := s.keep(e)
	s.mu.Unlock()
	_ = s.settle(line, err)
}

// refuseWith records and sends an answer without execution.
func (s *Server) refuseWith(w http.ResponseWriter, a *arrival, out answer) {
	s.record(a, out.status, out.body)
	send(w, out)
}

// keep adds the entry to the journal and the log; the caller holds mu, which makes
// their order that of execution.
func (s *Server) keep(e *Entry) (line int64, err error) {
	s.world.journal.add(e)
	if s.log != nil {
		return s.log.write(e)
	}
	return 0, nil
}

// settle waits until the line is on disk.
func (s *Server) settle(line int64, err error) error {
	if err != nil || s.log == nil {
		return err
	}
	return s.log.sync(line)
}
