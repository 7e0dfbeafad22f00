package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxText bounds what of an answer goes into errors, logs and the ledger, in bytes.
const maxText = 256

// Cut makes text of the far side fit for a log line: valid UTF-8, no control characters, bounded.
func Cut(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
		for i := 0; i < utf8.UTFMax && len(s) > 0 && !utf8.ValidString(s[len(s)-min(len(s), utf8.UTFMax):]); i++ {
			s = s[:len(s)-1]
		}
		s += "…"
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

// Redact keeps what signs a request out of errors, even when the far side echoes it. Redact before Cut: a cut secret would not be found.
func Redact(s string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	return s
}

// RetryAfter reads the header in either of its forms. At most an hour: a longer wait is the quota's business.
func RetryAfter(s string, now time.Time) time.Duration {
	if s == "" {
		return 0
	}
	if n, err := strconv.Atoi(s); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return min(max(t.Sub(now), 0), time.Hour)
	}
	return 0
}

// Date reads the header in which the far side tells its clock, in whole seconds; zero: it does not.
func Date(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// Around writes what a call came to: our own words around those of the far side and of the error below, where there are any.
func Around(head, message string, err error, foot string) string {
	if message != "" {
		head += ": " + message
	}
	if err != nil {
		head += ": " + err.Error()
	}
	return head + foot
}
