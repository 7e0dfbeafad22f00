package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	const plain = "sandbox-secret-01"
	s := NewSecret(plain)
	if s.Reveal() != plain || (Secret{}).Reveal() != "" {
		t.Fatal("Reveal does not give the secret")
	}
	type hidden struct{ inner Secret } // fmt asks no method of an unexported field
	type open struct{ Inner Secret }

	var out bytes.Buffer
	for _, v := range []any{s, &s, hidden{s}, &hidden{s}, open{s}, map[string]Secret{"a": s}, []Secret{s}, fmt.Errorf("x %v", s)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "k", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "k", v)
		core := zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{}), zapcore.AddSync(&out), zap.DebugLevel)
		zap.New(core).Info("m", zap.Any("k", v), zap.Reflect("r", v))
	}
	hexed := fmt.Sprintf("%x", plain)
	if strings.Contains(out.String(), plain) || strings.Contains(out.String(), hexed) {
		t.Errorf("the secret was printed:\n%s", out.String())
	}
	if got := fmt.Sprintf("%s %v %q %+v", s, s, s, open{s}); got != "*** *** *** {Inner:***}" {
		t.Errorf("printed as %s", got)
	}
}
