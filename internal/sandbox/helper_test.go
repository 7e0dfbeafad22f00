package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// bench is a running server with a plain client of its own.
type bench struct {
	*Server
	t      *testing.T
	client *http.Client
	nonce  int
}

// start runs a server on loopback for the length of the test, in the time of the
// vendor cases unless the options say otherwise.
func start(t *testing.T, o Options) *bench {
	t.Helper()
	s, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	client := newClient()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &bench{Server: s, t: t, client: client}
}

// newClient follows no redirects, as nobody should who signs requests.
func newClient() *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: &http.Transport{}, CheckRedirect: stay}
}

// startVirtual is start on an in-memory network, for use inside a synctest bubble.
func startVirtual(t *testing.T, o Options) *bench {
	t.Helper()
	network := &kfake.VirtualNetwork{}
	o.Addr, o.Listen = "localhost:7001", network.Listen
	b := start(t, o)
	b.client.Transport.(*http.Transport).DialContext = network.DialContext
	return b
}

// request is a call signed afresh, at the server's time, for the default app.
func (b *bench) request(ctx context.Context, base, path, contentType, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	b.sign(r)
	r.Header.Set("Content-Type", contentType)
	return r
}

// sign puts fresh signing headers on a request.
func (b *bench) sign(r *http.Request) {
	b.nonce++
	nonce, stamp := strconv.Itoa(b.nonce), strconv.FormatInt(b.Clock(), 10)
	r.Header.Set("App-Key", DefaultKey)
	r.Header.Set("Nonce", nonce)
	r.Header.Set("Timestamp", stamp)
	r.Header.Set("Signature", sign(DefaultSecret, nonce, stamp))
}

// send makes a call and returns status and body.
func (b *bench) send(r *http.Request) (int, []byte) {
	b.t.Helper()
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// post makes a signed call to the primary and returns status and vendor code.
func (b *bench) post(path, contentType, body string) (int, int) {
	b.t.Helper()
	status, out := b.send(b.request(context.Background(), b.Ready().Primary, path, contentType, body))
	return status, codeOf(out)
}

// control makes a control call at a base URL and decodes its answer into out.
func (b *bench) control(method, at, body string, out any) int {
	b.t.Helper()
	r, err := http.NewRequest(method, at, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	status, answer := b.send(r)
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			b.t.Fatalf("%s %s: %v in %s", method, at, err, answer)
		}
	}
	return status
}

func mustStatus(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: status %d, want %d", what, got, want)
	}
}

const (
	setTag    = "/user/tag/set.json"
	setTagBox = `{"userId":"u-1","tags":["vip"]}`
	pushPath  = "/push.json"
	pushBox   = `{"platform":["ios"],"audience":{"tag":["vip"],"is_to_all":false},"notification":{"alert":"a"}}`
)

func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// expand replaces the helpers of the vendor cases: {"$repeat":[format, n]} and
// {"$json_text_of_bytes": n}.
func expand(v any) any {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, expand(x))
		}
		return out
	case map[string]any:
		if args, ok := v["$repeat"].([]any); ok {
			n, _ := args[1].(json.Number).Int64()
			out := []any{}
			for i := range n {
				out = append(out, fmt.Sprintf(args[0].(string), i+1))
			}
			return out
		}
		if n, ok := v["$json_text_of_bytes"].(json.Number); ok {
			size, _ := n.Int64()
			const empty = `{"content":""}`
			return `{"content":"` + strings.Repeat("x", int(size)-len(empty)) + `"}`
		}
		out := map[string]any{}
		for k, x := range v {
			out[k] = expand(x)
		}
		return out
	default:
		return v
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
