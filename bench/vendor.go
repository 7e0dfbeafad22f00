package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"sync"
	"time"
)

// vendor is a RongCloud that accepts everything at once and writes down when each call came.
type vendor struct {
	url    string
	server *http.Server

	mu    sync.Mutex             // guards below
	hits  map[string][]time.Time // order id -> arrivals
	tags  map[string][]string    // user -> the set given last
	calls map[string]int         // path -> calls
	bad   error                  // the first body that could not be read
	kept  []arrival              // the first requests of each path
}

// arrival is a request as the sandbox's journal shows it: a form's body is an object.
type arrival struct {
	path string
	body json.RawMessage
}

// keptOfEach is how many requests of a path are kept: what a daemon sends differs in values and not in form.
const keptOfEach = 50

// orderID is how a text of the bench's rules names its event.
var orderID = regexp.MustCompile(`o-[0-9]{9}`)

func startVendor() (*vendor, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the vendor: %w", err)
	}
	v := &vendor{url: "http://" + ln.Addr().String(), hits: map[string][]time.Time{}, tags: map[string][]string{}, calls: map[string]int{}}
	v.server = &http.Server{Handler: v}
	go func() { _ = v.server.Serve(ln) }() // ends with close
	return v, nil
}

func (v *vendor) close() { _ = v.server.Close() }

// ServeHTTP notes the arrival before it reads the body.
func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	v.note(r.URL.Path, body, at)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"code":200,"result":{}}`))
}

func (v *vendor) note(path string, body []byte, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls[path]++
	if v.calls[path] <= keptOfEach && path != "/bare" {
		v.kept = append(v.kept, arrival{path, object(body)})
	}
	switch path {
	case "/push/user.json":
		var call struct {
			Users        []string `json:"userIds"`
			Notification struct {
				Text string `json:"pushContent"`
			} `json:"notification"`
		}
		if err := json.Unmarshal(body, &call); err != nil || len(call.Users) != 1 {
			v.bad = fmt.Errorf("%s: want one user: %w: %s", path, err, body)
			return
		}
		v.hit(call.Notification.Text, at)
	case "/bare":
		v.hit(string(body), at)
	case "/user/tag/set.json", "/user/tag/batch/set.json":
		var call struct {
			User  string   `json:"userId"`
			Users []string `json:"userIds"`
			Tags  []string `json:"tags"`
		}
		if err := json.Unmarshal(body, &call); err != nil {
			v.bad = fmt.Errorf("%s: %w: %s", path, err, body)
			return
		}
		if call.User != "" {
			call.Users = append(call.Users, call.User)
		}
		for _, u := range call.Users {
			v.tags[u] = call.Tags
		}
	case "/user/tags/get.json": // nobody has tags of others
	default:
		v.bad = fmt.Errorf("no bench expects a call of %s", path)
	}
}

// object is a body as JSON; of the vendor's forms only that of /user/tags/get.json comes here.
func object(body []byte) json.RawMessage {
	form, err := url.ParseQuery(string(body))
	if json.Valid(body) || err != nil {
		return body
	}
	b, err := json.Marshal(form)
	if err != nil {
		return body
	}
	return b
}

// hold holds what came so far to the vendor's schemas, which need a module of their own; root is the checkout.
func (v *vendor) hold(ctx context.Context, root string) error {
	v.mu.Lock()
	var lines bytes.Buffer
	for _, a := range v.kept {
		fmt.Fprintf(&lines, "{\"method\":\"POST\",\"path\":%q,\"body\":%s}\n", a.path, a.body)
	}
	v.kept = nil
	v.mu.Unlock()
	cmd := exec.CommandContext(ctx, "go", "run", "./test/schema/journal")
	cmd.Dir, cmd.Stdin = root, &lines
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the daemon's requests are held to the vendor's schemas: %w\n%s", err, out)
	}
	return nil
}

func (v *vendor) hit(text string, at time.Time) {
	id := orderID.FindString(text)
	if id == "" {
		v.bad = fmt.Errorf("a text that names no order: %q", text)
	}
	v.hits[id] = append(v.hits[id], at)
}

// arrived is the arrivals of an order.
func (v *vendor) arrived(id string) []time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.hits[id]
}

func (v *vendor) failure() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bad
}

// reset forgets all.
func (v *vendor) reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hits, v.tags, v.calls = map[string][]time.Time{}, map[string][]string{}, map[string]int{}
}
