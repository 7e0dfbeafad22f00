package main

import (
	"unicode/utf8"

	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
)

// deadRecord is a dead letter with what it keeps, as JSON.
type deadRecord struct {
	Schema string `json:"schema"`
	ledger.DeadLetter
	Key         string            `json:"key"`
	Headers     map[string]string `json:"headers"`
	Value       string            `json:"value,omitempty"`
	ValueBase64 []byte            `json:"value_base64,omitempty"`
}

func deadJSON(l *query.Letter, payload bool) deadRecord {
	v := deadRecord{Schema: "notifier.dead-letter/v1", DeadLetter: l.DeadLetter, Key: string(l.Key), Headers: map[string]string{}}
	for _, h := range l.Headers {
		v.Headers[h.Key] = string(h.Value)
	}
	switch {
	case !payload:
	case utf8.Valid(l.Value):
		v.Value = string(l.Value)
	default:
		v.ValueBase64 = l.Value
	}
	return v
}
