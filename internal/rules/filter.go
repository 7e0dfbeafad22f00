package rules

import (
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

var filterNames = []string{"default", "money", "date", "max", "upper", "urlencode", "join"}

func knownFilter(name string) bool { return slices.Contains(filterNames, name) }

// defaultDate is how a time is written when nothing else is asked for.
const defaultDate = "YYYY-MM-DD HH:mm"

func (f *filter) apply(v value) (value, error) {
	switch f.name {
	case "join":
		sep := "、"
		if f.hasArg {
			sep = f.arg
		}
		if v.isList {
			return value{text: strings.Join(v.list, sep)}, nil
		}
		return v, nil
	case "money":
		s, err := money(flat(v))
		return value{text: s}, err
	case "date":
		layout := defaultDate
		if f.hasArg {
			layout = f.arg
		}
		t, err := time.Parse(time.RFC3339Nano, flat(v))
		if err != nil {
			return value{}, fmt.Errorf("%q is not a time", flat(v))
		}
		return value{text: t.Format(goLayout.Replace(layout))}, nil
	case "max":
		return value{text: shorten(flat(v), f.n)}, nil
	case "upper":
		return value{text: strings.ToUpper(flat(v))}, nil
	case "urlencode":
		return value{text: strings.ReplaceAll(url.QueryEscape(flat(v)), "+", "%20")}, nil
	}
	return v, nil
}

var goLayout = strings.NewReplacer("YYYY", "2006", "MM", "01", "DD", "02", "HH", "15", "mm", "04", "ss", "05")

// money writes an exact decimal with two digits, halves away from zero.
func money(s string) (string, error) {
	if len(s) > 1000 || strings.Trim(s, "-.0123456789") != "" { // an exponent could ask for a gigabyte of digits
		return "", fmt.Errorf("%q is not a number", s)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return "", fmt.Errorf("%q is not a number", s)
	}
	return r.FloatString(2), nil
}

// shorten keeps n user-visible characters, the last of which is … when something was cut.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	it := graphemes.FromString(s)
	count, cut := 0, 0
	for it.Next() {
		count++
		if count == n {
			cut = it.Start()
		}
		if count > n {
			return s[:cut] + "…"
		}
	}
	return s
}
