package schema

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/sandbox"
)

// change is a request that differs in one place from one that the vendor takes.
type change struct {
	what string
	body any
}

// odd is what may stand in the place of any value.
var odd = []any{
	nil, true, false, -1, 0, 1, 2, 16, 10000, 1.5, 1e30, "", " ", "x", "X", "0", "1", "2", "true", "a b", "a&b", "字", "ios", "harmonyos", "AND", "RC:TxtMsg", "RC:Nothing", "{}",
	"http://x", "https://x", "1767225600000", strings.Repeat("字", 14), strings.Repeat("x", 33), strings.Repeat("x", 41), strings.Repeat("x", 51), strings.Repeat("x", 65),
	[]any{}, []any{1}, []any{"x", "x"}, []any{"ios", "ios"}, ids(21), ids(51), ids(101), ids(1001), map[string]any{}, map[string]any{"x": "y"},
}

func ids(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = "u" + strconv.Itoa(i)
	}
	return out
}

// changes are all the ways to change one place of v.
func changes(at string, v any) (out []change) {
	for i, x := range odd {
		out = append(out, change{fmt.Sprintf("%s is odd[%d]", at, i), x})
	}
	within := func(key string, inner any, put func(any) any) {
		for _, c := range changes(at+"."+key, inner) {
			out = append(out, change{c.what, put(c.body)})
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			put := func(inner any) any {
				m := maps.Clone(v)
				m[k] = inner
				return m
			}
			without := maps.Clone(v)
			delete(without, k)
			out = append(out, change{at + " without " + k, without})
			within(k, v[k], put)
			if text, ok := v[k].(string); ok && k == "pushExt" { // JSON in a text
				var inner any
				if json.Unmarshal([]byte(text), &inner) == nil {
					within(k+" (text)", inner, func(x any) any {
						b, _ := json.Marshal(x)
						return put(string(b))
					})
				}
			}
		}
		more := maps.Clone(v)
		more["zz"] = "1"
		out = append(out, change{at + " with zz", more})
	case []any:
		for i := range v[:min(len(v), 2)] {
			within(strconv.Itoa(i), v[i], func(inner any) any {
				list := slices.Clone(v)
				list[i] = inner
				return list
			})
		}
		if len(v) > 0 {
			out = append(out, change{at + " with one item less", v[1:]}, change{at + " with one twice", append(slices.Clone(v), v[0])})
		}
	}
	return out
}

// encodeAs writes a body; ok is false for what a form cannot say.
func encodeAs(contentType string, body any) (raw []byte, ok bool) {
	if contentType == "application/json" {
		b, err := json.Marshal(body)
		return b, err == nil
	}
	m, ok := body.(map[string]any)
	form := url.Values{}
	for k, v := range m {
		list, many := v.([]any)
		if !many {
			list = []any{v}
		}
		for _, x := range list {
			s, text := x.(string)
			ok = ok && text
			form.Add(k, s)
		}
	}
	return []byte(form.Encode()), ok && len(form) > 0
}

// What the contract states beside its schemas: that an audience has a criterion, message types and what their contents hold, the channels of
// pushExt key by key, the size of msgRandom.
var beside = regexp.MustCompile(`has no criterion|^platform: is required|is not a message type|content: must be the JSON|is required by RC:|pushConfigs\[|^pushExt\[|^content for|^msgRandom: must be a whole number up to`)

// The sandbox and the schemas are written apart, from one contract: what one refuses for its form, the other does, for every change of one
// place of a request with all fields.
func TestTheStrictSandboxAgreesWithTheSchemas(t *testing.T) {
	for name, least := range map[string]int{"tags-set": 100, "tags-batch": 100, "tags-get": 50, "users-every": 700, "push-every": 1000, "push-message": 300, "push-users": 300, "custom-without": 700,
		"broadcast-every": 800, "online": 100, "system-every": 1000, "template-every": 300, "recall-every": 100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, contentType, seed := golden(t, name)
			if name == "users-every" || name == "custom-without" { // the nodes are those of push-every
				notification := seed.(map[string]any)["notification"].(map[string]any)
				delete(notification, "android")
				delete(notification, "harmonyOS")
			}
			s, err := sandbox.Start(context.Background(), sandbox.Options{Vendor: "rongcloud", FixedClock: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			tried, taken := 0, 0
			for _, c := range append(changes("body", seed), change{"as it is", seed}) {
				body, ok := encodeAs(contentType, c.body)
				if !ok {
					continue
				}
				tried++
				s.AdvanceClock(25 * 60 * 60 * 1000) // no quota says anything here
				status, answer := post(t, s, path, contentType, body)
				bad := Wire(path, contentType, body)
				switch {
				case status != 200 && status != 400:
					t.Fatalf("%s: answered %d %s", c.what, status, answer.ErrorMessage)
				case status == 200 && bad != nil:
					t.Errorf("%s: the sandbox takes what the schema refuses: %v\n%s", c.what, bad, body[:min(len(body), 300)])
				case status == 400 && bad == nil && !beside.MatchString(answer.ErrorMessage):
					t.Errorf("%s: the sandbox refuses what the schema takes: %s\n%s", c.what, answer.ErrorMessage, body[:min(len(body), 300)])
				case status == 200:
					taken++
				}
			}
			if tried < least || taken == 0 {
				t.Errorf("%d changes tried, %d taken", tried, taken)
			}
		})
	}
}

// golden reads a request of testdata.
func golden(t *testing.T, name string) (path, contentType string, body any) {
	t.Helper()
	raw, err := os.ReadFile(File("golden/" + name + ".http"))
	if err != nil {
		t.Fatal(err)
	}
	head, text, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), "\n\n")
	line, kind, _ := strings.Cut(head, "\n")
	path, contentType = strings.TrimPrefix(line, "POST "), strings.TrimPrefix(kind, "Content-Type: ")
	if contentType == "application/json" {
		if err := json.Unmarshal([]byte(text), &body); err != nil {
			t.Fatal(err)
		}
		return path, contentType, body
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]any{}
	for k, all := range form {
		object[k] = all[0]
		if lists[k] {
			list := []any{}
			for _, v := range all {
				list = append(list, v)
			}
			object[k] = list
		}
	}
	return path, contentType, object
}

type said struct {
	Code         int
	ErrorMessage string
}

func post(t *testing.T, s *sandbox.Server, path, contentType string, body []byte) (status int, answer said) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.Ready().Primary+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	const nonce = "1"
	stamp := strconv.FormatInt(s.Clock(), 10)
	sum := sha1.Sum([]byte(sandbox.DefaultSecret + nonce + stamp))
	for k, v := range map[string]string{"App-Key": sandbox.DefaultKey, "Nonce": nonce, "Timestamp": stamp, "Signature": hex.EncodeToString(sum[:]), "Content-Type": contentType} {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return resp.StatusCode, answer
}
