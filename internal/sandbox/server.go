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

// The RongCloud app that exists when no other is given; it signs the vendor cases.
const (
	DefaultKey    = "sbx-app-key-01"
	DefaultSecret = "sandbox-secret-01"
)

// The most bytes of a request that are read. The largest legal one at RongCloud is
// a form with 128 KiB of content, every byte percent-encoded; at Getui 200 messages
// with a handful of texts of 3072 characters each.
const (
	maxBody      = 1 << 20
	maxGetuiBody = 16 << 20
)

// App is one account at a vendor.
type App struct {
	Vendor string // rongcloud or getui
	ID     string // Getui: the appId; RongCloud has none
	Key    string // App Key, appkey
	Secret string // App Secret, mastersecret
}

// The vendors, as apps, faults, the clock and the journal name them.
const (
	vendorRongCloud = "rongcloud"
	vendorGetui     = "getui"
)

// Options say how to start. The zero value listens on 127.0.0.1, any ports, strict,
// in the machine's time, both vendors with their default apps.
type Options struct {
	Vendor     string // rongcloud, getui or both; "" = both
	Addr       string // of the primary, a loopback address; port 0 = any. The backup takes the next port, or any
	Lenient    bool
	FixedClock bool   // the clocks stand at the times of the vendors' cases until they are told
	Log        string // path of the synced log, "" = none; appended to, a reset only starts seq again
	Seed       int64  // of ids and of faults with a probability
	Apps       []App  // a vendor without one has its default apps
	Services   *Services
	Switches   *Switches
	Knobs      *Knobs // Getui

	Listen func(network, addr string) (net.Listener, error) // nil = net.Listen
	Now    func() time.Time                                 // nil = time.Now
}

// Ready is the one line that a started sandbox prints.
type Ready struct {
	Primary string `json:"rongcloud,omitempty"`
	Backup  string `json:"rongcloud_backup,omitempty"`
	Getui   string `json:"getui,omitempty"`
	Control string `json:"control"`
}

// Server is a running sandbox. Its methods may be called from any goroutine.
type Server struct {
	hosts []*host // primary, backup
	only  string  // the one vendor that is served, "" = both
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
	switch o.Vendor {
	case "", "both":
	case vendorRongCloud, vendorGetui:
		s.only = o.Vendor
	default:
		return nil, fmt.Errorf("vendor %q: must be rongcloud, getui or both", o.Vendor)
	}
	if err := s.checkApps(); err != nil {
		return nil, err
	}
	s.first = Setup{Lenient: o.Lenient, Services: DefaultServices(), Switches: DefaultSwitches(), Knobs: DefaultKnobs()}
	if o.Services != nil {
		s.first.Services = *o.Services
	}
	if o.Switches != nil {
		s.first.Switches = *o.Switches
	}
	if o.Knobs != nil {
		s.first.Knobs = *o.Knobs
	}
	if err := s.first.Knobs.check(); err != nil {
		return nil, err
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
	s.world = newWorld(s.ctx, s.first, zone, c, s.apps, s.seed)
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

func (s *Server) checkApps() error {
	seen := map[App]bool{}
	for _, a := range s.apps {
		id := App{Vendor: a.Vendor, Key: a.Key}
		if a.Vendor == vendorGetui {
			id = App{Vendor: a.Vendor, ID: a.ID}
		}
		switch {
		case a.Vendor != vendorRongCloud && a.Vendor != vendorGetui:
			return fmt.Errorf("app %q: vendor is %q; it must be rongcloud or getui", a.Key, a.Vendor)
		case !s.serves(a.Vendor):
			return fmt.Errorf("app %q: is of %s, and only %s is served", a.Key, a.Vendor, s.only)
		case a.Key == "" || a.Secret == "":
			return errors.New("app: key and secret must not be empty")
		case a.Vendor == vendorGetui && (a.ID == "" || strings.Contains(a.ID, "/")):
			return fmt.Errorf("app %q: a Getui app needs its appId, without a slash", a.Key)
		case a.Vendor == vendorRongCloud && a.ID != "":
			return fmt.Errorf("app %q: a RongCloud app has no appId", a.Key)
		case seen[id]:
			return fmt.Errorf("app %q: given twice", cmp.Or(a.ID, a.Key))
		}
		seen[id] = true
	}
	return nil
}

func (s *Server) serves(vendor string) bool { return s.only == "" || s.only == vendor }

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
	r := Ready{Control: s.hosts[0].url() + controlPrefix}
	if s.serves(vendorRongCloud) {
		r.Primary, r.Backup = s.hosts[0].url(), s.hosts[1].url()
	}
	if s.serves(vendorGetui) {
		r.Getui = s.hosts[0].url() + getuiPrefix
	}
	return r
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
	vendor, most := vendorRongCloud, maxBody
	if s.serves(vendorGetui) && isGetui(r.URL.Path) {
		vendor, most = vendorGetui, maxGetuiBody
	}
	if !s.serves(vendor) {
		send(w, answer{status: http.StatusNotFound, body: mustText(map[string]string{"error": "only getui is served here, under " + getuiPrefix})})
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(most)+1))
	if err != nil { // the client left within its request: nothing arrived
		reset(w)
		return
	}
	conn, _ := r.Context().Value(connectionKey{}).(*connection)
	a := &arrival{host: h.name, conn: conn, method: r.Method, path: r.URL.Path, header: r.Header, body: body}

	s.mu.Lock()
	a.world = s.world
	stats := &s.world.stats
	if vendor == vendorGetui {
		stats = &s.world.getui.stats.VendorStats
		a.getui = s.world.getui.arrive(a, r.URL.EscapedPath())
	} else {
		s.world.countConflict(a)
	}
	stats.Calls++
	stats.MaxPerConnection = max(stats.MaxPerConnection, conn.count(s.world))
	f, met := s.world.meet(a)
	s.mu.Unlock()

	if len(a.body) > most {
		a.body = a.body[:0] // not worth the journal's memory
		s.refuseWith(w, a, a.tooLarge())
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
	e := a.describe()
	out := s.world.execute(a, e)
	line, err := s.keep(e)
	s.mu.Unlock()
	return out, s.settle(line, err)
}

// execute runs the pipeline of the arrival's vendor and completes its entry.
func (w *world) execute(a *arrival, e *Entry) answer {
	if a.getui != nil {
		return a.getui.execute(e)
	}
	out := w.pipeline(a, e)
	body := mustText(out)
	e.HTTP, e.Code, e.Answer = httpStatus(out.Code), out.Code, body
	return answer{status: e.HTTP, body: body}
}

// record journals a call that a fault kept from being executed; body is what the
// client is told, nil for nothing.
func (s *Server) record(a *arrival, status int, body []byte) {
	s.mu.Lock()
	if a.world != s.world {
		s.mu.Unlock()
		return
	}
	e := a.describe()
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
