package rules

import (
	"errors"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

var filterNames = []string{"default", "money", "date", "max", "upper", "urlencode", "join"}

func knownFilter(name string) bool { return slices.Contains(filterNames, name) }

// typed reports whether the filter needs the value as the event has it, a number or a time, and not a text made of it.
func (f *filter) typed() bool { return f.name == "money" || f.name == "date" }

// apply gives what the filter makes of a value. money and date write each element of a list.
func (f *filter) apply(v value) (value, error) {
	if v.isList && f.typed() {
		out := value{isList: true, list: make([]string, len(v.list))}
		for i, s := range v.list {
			one, err := f.apply(value{text: s})
			if err != nil {
				return value{}, err
			}
			out.list[i] = one.text
		}
		return out, nil
	}
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
		s, err := money(v.text)
		return value{text: s}, err
	case "date":
		pattern := defaultDate
		if f.hasArg {
			pattern = f.arg
		}
		t, err := time.Parse(time.RFC3339Nano, v.text)
		if err != nil {
			return value{}, errNoTime
		}
		return value{text: writeDate(t, pattern)}, nil
	case "max":
		return value{text: shorten(flat(v), f.n)}, nil
	case "upper":
		return value{text: strings.ToUpper(flat(v))}, nil
	case "urlencode":
		return value{text: strings.ReplaceAll(url.QueryEscape(flat(v)), "+", "%20")}, nil
	}
	return v, nil
}

// What a filter cannot use. The value is left out: it may be personal, and errors of texts stand in fates.
var (
	errNoTime   = errors.New("its value is not a time")
	errNoNumber = errors.New("its value is not a number")
)

// money writes an exact decimal with two digits, halves away from zero.
func money(s string) (string, error) {
	if m, ok := shortMoney(s); ok {
		return m, nil
	}
	if len(s) > 1000 || strings.Trim(s, "-.0123456789") != "" { // an exponent could ask for a gigabyte of digits
		return "", errNoNumber
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return "", errNoNumber
	}
	if s = r.FloatString(2); s == "-0.00" {
		s = "0.00"
	}
	return s, nil
}

// shortMoney is money for the plain decimals that events bring: digits, with or without a fraction, few enough for an int64.
func shortMoney(s string) (string, bool) {
	digits, neg := strings.CutPrefix(s, "-")
	whole, frac, dot := strings.Cut(digits, ".")
	if whole == "" || (dot && frac == "") || len(digits) > 16 {
		return "", false
	}
	if len(frac) == 2 && (len(whole) == 1 || whole[0] != '0') && !neg && onlyDigits(whole) && onlyDigits(frac) {
		return s, true // it is written so already
	}
	cents, unit := int64(0), int64(1) // unit: of what the fraction has beyond cents
	for i := range len(whole) + max(2, len(frac)) {
		c := byte('0')
		if i < len(whole) {
			c = whole[i]
		} else if i-len(whole) < len(frac) {
			c = frac[i-len(whole)]
		}
		if c < '0' || c > '9' {
			return "", false
		}
		cents = 10*cents + int64(c-'0')
		if i >= len(whole)+2 {
			unit *= 10
		}
	}
	rest := cents % unit
	cents /= unit
	if 2*rest >= unit && unit > 1 {
		cents++
	}
	neg = neg && cents != 0
	var room [24]byte
	b := room[:0]
	if neg {
		b = append(b, '-')
	}
	b = strconv.AppendInt(b, cents/100, 10)
	return string(append(b, '.', byte('0'+cents/10%10), byte('0'+cents%10))), true
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
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
