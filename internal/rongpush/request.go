package rongpush

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/notifier/notifier/internal/rongcloud"
)

// Request is one call's worth of work: SetTags, BatchSetTags, GetTags, PushUsers, Broadcast, CustomPush,
// MessageBroadcast, OnlineBroadcast, SystemMessage, TemplateMessage or RecallBroadcast.
type Request interface {
	Endpoint() rongcloud.Endpoint
	// Receivers is the number of named users, which is what the per-second budgets count; 0 for an audience.
	Receivers() int
	// Body validates, then gives the bytes that leave; equal requests give equal bytes. The error is an *InvalidError.
	Body() (body []byte, contentType string, err error)
}

// Caller is the part of rongcloud.Client that Send needs.
type Caller interface {
	Call(ctx context.Context, callID string, ep rongcloud.Endpoint, contentType string, body []byte) (*rongcloud.Answer, error)
}

// Send makes the call. The error is an *InvalidError (nothing left) or a *rongcloud.Error.
func Send(ctx context.Context, c Caller, callID string, r Request) (*rongcloud.Answer, error) {
	body, contentType, err := r.Body()
	if err != nil {
		return nil, err
	}
	return c.Call(ctx, callID, r.Endpoint(), contentType, body)
}

// jsonBody encodes v without HTML escapes.
func jsonBody(v any) ([]byte, string, error) {
	b, err := compactJSON(v)
	if err != nil {
		return nil, "", err
	}
	return bounded(b, jsonType)
}

func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, invalid("body", "%v", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func bounded(b []byte, contentType string) ([]byte, string, error) {
	if len(b) > MaxBodyBytes {
		return nil, "", refuse("body", "%d bytes; at most %d", "长 %d 字节，最多 %d", len(b), MaxBodyBytes)
	}
	return b, contentType, nil
}

// form is an ordered form body. User ids hold + and =, so everything is percent-encoded.
type form struct{ strings.Builder }

func (f *form) add(key, value string) {
	if f.Len() > 0 {
		f.WriteByte('&')
	}
	f.WriteString(url.QueryEscape(key) + "=" + url.QueryEscape(value))
}

// opt adds a value that is not empty.
func (f *form) opt(key, value string) {
	if value != "" {
		f.add(key, value)
	}
}

func (f *form) number(key string, n *int) {
	if n != nil {
		b, _ := json.Marshal(*n)
		f.add(key, string(b))
	}
}

func (f *form) boolean(key string, v *bool) {
	switch {
	case v == nil:
	case *v:
		f.add(key, "true")
	default:
		f.add(key, "false")
	}
}

func (f *form) body() ([]byte, string, error) { return bounded([]byte(f.String()), formType) }
