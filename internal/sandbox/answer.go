package sandbox

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
)

// answer is a response ready to be written.
type answer struct {
	status      int
	contentType string // "" = application/json
	location    string
	body        []byte
}

// writeHead promises the whole body.
func (a answer) writeHead(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", cmp.Or(a.contentType, "application/json; charset=utf-8"))
	if a.location != "" {
		h.Set("Location", a.location)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
}

// A client that has left by now misses its answer; nothing else follows from it.
func send(w http.ResponseWriter, a answer) {
	a.writeHead(w)
	_, _ = w.Write(a.body)
}

// sendHalf writes half of the body that its head promises.
func sendHalf(w http.ResponseWriter, a answer) {
	a.writeHead(w)
	_, _ = w.Write(a.body[:len(a.body)/2])
	flush(w)
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// reset drops the connection so that the client sees "connection reset by peer"
// where the network can say so.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// hangUp closes the connection in order: the client sees an early end.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// codeOf reads the vendor code out of an answer, a number or digits in a string;
// 0 if it has none.
func codeOf(body []byte) int {
	var number struct{ Code int }
	if json.Unmarshal(body, &number) == nil {
		return number.Code
	}
	var text struct {
		Code int `json:"code,string"`
	}
	if json.Unmarshal(body, &text) == nil {
		return text.Code
	}
	return 0
}
