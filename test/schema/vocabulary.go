package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// The one rule between fields that the schemas state in words, and the one set of letters.
const (
	aligned = "len(values)==len(pushContent)==len(toUserId); pushData either absent or same length"
	letters = `^[\p{L}\p{N}_-]+$`
)

var tagLetters = regexp.MustCompile(letters)

// vocabulary is the schemas' own keywords: x-maxBytes, x-charset, x-json, x-rule. x-note says nothing to a machine.
func vocabulary() *jsonschema.Vocabulary {
	return &jsonschema.Vocabulary{URL: "https://schemas.example/vocabulary", Compile: compileOwn}
}

// own is the keywords of one schema.
type own struct {
	maxBytes int // 0: none
	charset  bool
	json     *jsonschema.Schema // of the text that the string itself is
	rule     bool
}

func compileOwn(ctx *jsonschema.CompilerContext, s map[string]any) (jsonschema.SchemaExt, error) {
	var o own
	if v, ok := s["x-maxBytes"]; ok {
		n, err := v.(json.Number).Int64()
		if err != nil {
			return nil, err
		}
		o.maxBytes = int(n)
	}
	if v, ok := s["x-charset"].(string); ok {
		if o.charset = strings.Contains(v, letters); !o.charset {
			return nil, errors.New("x-charset is not the one this package knows: " + v)
		}
	}
	if v, ok := s["x-json"].(string); ok {
		var err error
		if o.json, err = ctx.EnqueueRef(v); err != nil {
			return nil, err
		}
	}
	if v, ok := s["x-rule"].(string); ok {
		if o.rule = v == aligned; !o.rule {
			return nil, errors.New("x-rule is not the one this package knows: " + v)
		}
	}
	if o == (own{}) {
		return nil, nil
	}
	return &o, nil
}

// Validate implements jsonschema.SchemaExt.
func (o *own) Validate(ctx *jsonschema.ValidatorContext, v any) {
	bad := func(keyword string, err error) {
		ctx.AddError(&kind.Format{Got: v, Want: keyword, Err: err})
	}
	if s, ok := v.(string); ok {
		if o.maxBytes > 0 && len(s) > o.maxBytes {
			bad("x-maxBytes", fmt.Errorf("%d bytes, at most %d", len(s), o.maxBytes))
		}
		if o.charset && !tagLetters.MatchString(s) {
			bad("x-charset", errors.New("special characters"))
		}
		if o.json != nil {
			if inner, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(s))); err != nil {
				bad("x-json", err)
			} else if err := o.json.Validate(inner); err != nil {
				bad("x-json", err)
			}
		}
	}
	if m, ok := v.(map[string]any); ok && o.rule {
		users, _ := m["toUserId"].([]any)
		for _, k := range []string{"values", "pushContent", "pushData"} {
			if list, given := m[k].([]any); given && len(list) != len(users) {
				bad("x-rule", fmt.Errorf("%d %s beside %d receivers", len(list), k, len(users)))
			}
		}
	}
}

// known refuses a keyword of the schemas' own that this package has no code for, so that none is skipped in silence.
func known(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			if strings.HasPrefix(k, "x-") && !slices.Contains([]string{"x-maxBytes", "x-charset", "x-json", "x-rule", "x-note"}, k) {
				return errors.New("unknown keyword " + k)
			}
			if err := known(sub); err != nil {
				return err
			}
		}
	case []any:
		for _, sub := range v {
			if err := known(sub); err != nil {
				return err
			}
		}
	}
	return nil
}
