package getui

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Request is one call's worth of work.
type Request interface {
	Endpoint() Endpoint
	// Path is what follows /v2/{appId}, percent-encoded.
	Path() string
	// Body validates, then gives the bytes that leave; nil is a call without a body. Equal requests give equal bytes. The error is an
	// *InvalidError.
	Body() ([]byte, error)
}

// Caller is the part of Client that Send needs.
type Caller interface {
	Call(ctx context.Context, callID string, ep Endpoint, path string, body []byte) (*Answer, error)
}

// Send makes the call. The error is an *InvalidError (nothing left) or a *Error.
func Send(ctx context.Context, c Caller, callID string, r Request) (*Answer, error) {
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	return c.Call(ctx, callID, r.Endpoint(), r.Path(), body)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, invalid("body", "cannot be encoded", "无法编码")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// decode reads the data of an answer.
func decode(r Request, a *Answer, v any) error {
	if a.Data == nil {
		return unread(r, "no data")
	}
	if err := json.Unmarshal(a.Data, v); err != nil {
		return unread(r, "data of another shape")
	}
	return nil
}

// unread is the error of an answer with code 0 whose data is not what the contract says: that the vendor acted is likely, what became
// of whom is not known.
func unread(r Request, why string) error {
	ep := r.Endpoint()
	class := Unknown
	if ep.Repeatable {
		class = RetrySafe
	}
	return &Error{Class: class, Method: ep.Method, Name: ep.Name, HTTPStatus: http.StatusOK, Message: "accepted, but " + why, Sent: true}
}

// segment is ids as one segment of a path.
func segment(ids ...string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = url.PathEscape(id)
	}
	return strings.Join(out, ",")
}
