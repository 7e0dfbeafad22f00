package event

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// What one value may bring, so that neither a condition nor an intent can grow without bound (design.md 5).
const (
	maxItems   = 32
	maxString  = 4 << 10
	maxDigits  = 400 // of a number written out; float64 ends at 309
	badPreview = 64
)

// coerce gives a raw value its declared type, losslessly, or Bad.
func coerce(f *Field, r gjson.Result) Value {
	if st := stateOf(r); st != Bad {
		return Value{State: st, Type: f.Type}
	}
	v, ok := typed(f, r)
	if ok && f.Values != nil && !allowed(f.Values, v) {
		ok = false
	}
	if !ok {
		return Value{State: Bad, Type: f.Type, Str: cut(valid(r.Raw), badPreview)}
	}
	v.State, v.Type = Known, f.Type
	return v
}

func allowed(values []string, v Value) bool {
	list := v.List
	if v.List == nil {
		list = []string{v.Str}
	}
	for _, s := range list {
		found := false
		for _, a := range values {
			found = found || a == s
		}
		if !found {
			return false
		}
	}
	return true
}

func typed(f *Field, r gjson.Result) (Value, bool) {
	switch f.Type {
	case Number:
		s, ok := "", true
		switch r.Type {
		case gjson.Number:
			s = r.Raw
		case gjson.String:
			s = r.Str
		default:
			return Value{}, false
		}
		if s, ok = decimal(s, f.Scale); !ok {
			return Value{}, false
		}
		n, err := strconv.ParseFloat(s, 64)
		return Value{Str: s, Num: n}, err == nil && !math.IsInf(n, 0)
	case Bool:
		switch r.String() { // JSON has booleans, MySQL's tinyint(1) arrives as 0 and 1
		case "true", "1":
			return Value{Str: "true", Bool: true}, !r.IsArray() && !r.IsObject()
		case "false", "0":
			return Value{Str: "false"}, !r.IsArray() && !r.IsObject()
		}
		return Value{}, false
	case Time:
		t, ok := parseTime(r, "", nil)
		return Value{Str: t.Format(time.RFC3339Nano), Time: t}, ok
	case List:
		if !r.IsArray() {
			return Value{}, false
		}
		out, ok := make([]string, 0, 4), true
		r.ForEach(func(_, it gjson.Result) bool {
			if it.Type == gjson.Null {
				return true
			}
			s, scalar := plain(it)
			if ok = scalar; !ok {
				return false
			}
			out = append(out, s)
			return len(out) < maxItems
		})
		return Value{List: out}, ok
	}
	s, ok := plain(r)
	return Value{Str: s}, ok
}

// plain gives a scalar as text: a number by its own digits, so that large integers stay exact.
func plain(r gjson.Result) (string, bool) {
	switch r.Type {
	case gjson.String:
		return cut(valid(r.Str), maxString), true
	case gjson.Number, gjson.True, gjson.False:
		return cut(r.Raw, maxString), true
	}
	return "", false
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// cut shortens a text to n bytes without breaking a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// decimal multiplies a number by an exact factor ("" for none) and writes it out without exponent. Trailing zeros
// are kept up to the digits of the factor, so that 50100 by 0.01 is 501.00, and dropped beyond: equal numbers have
// equal texts.
func decimal(s, scale string) (string, bool) {
	c, exp, ok := parseDecimal(s)
	if !ok {
		return "", false
	}
	keep := 0
	if scale != "" {
		f, fe, ok := parseDecimal(scale)
		if !ok {
			return "", false
		}
		c.Mul(c, f)
		exp += fe
		keep = max(0, -fe)
	}
	neg := c.Sign() < 0
	digits := new(big.Int).Abs(c).String()
	if exp > 0 {
		digits += strings.Repeat("0", exp)
		exp = 0
	}
	if -exp >= len(digits) {
		digits = strings.Repeat("0", -exp-len(digits)+1) + digits
	}
	whole, frac := digits[:len(digits)+exp], digits[len(digits)+exp:]
	for len(frac) > keep && frac[len(frac)-1] == '0' {
		frac = frac[:len(frac)-1]
	}
	if len(frac) < keep {
		frac += strings.Repeat("0", keep-len(frac))
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if frac != "" {
		whole += "." + frac
	}
	if neg {
		whole = "-" + whole
	}
	return whole, len(whole) <= 2*maxDigits
}

// parseDecimal reads a JSON number as coefficient and power of ten.
func parseDecimal(s string) (*big.Int, int, bool) {
	mant, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > maxDigits || e < -maxDigits {
			return nil, 0, false
		}
		mant, exp = s[:i], e
	}
	whole, frac, dot := strings.Cut(mant, ".")
	digits := strings.TrimPrefix(whole, "-")
	if digits == "" || (dot && frac == "") || len(digits)+len(frac) > maxDigits || strings.Trim(digits+frac, "0123456789") != "" {
		return nil, 0, false
	}
	c, ok := new(big.Int).SetString(whole+frac, 10)
	if !ok {
		return nil, 0, false
	}
	return c, exp - len(frac), true
}

// IsDecimal reports whether a text is a number as JSON writes it, small enough to be used: the loader asks it of `scale`.
func IsDecimal(s string) bool {
	_, _, ok := parseDecimal(s)
	return ok
}

func wholeNumber(v Value) (int64, bool) {
	if !v.OK() {
		return 0, false
	}
	n, err := strconv.ParseInt(v.Str, 10, 64)
	return n, err == nil
}

// parseTime reads RFC 3339, a unix number (seconds, milliseconds, microseconds or nanoseconds by size, as number or
// text), or a layout in a zone.
func parseTime(r gjson.Result, layout string, zone *time.Location) (time.Time, bool) {
	s := r.Str
	switch r.Type {
	case gjson.Number:
		s = r.Raw
	case gjson.String:
	default:
		return time.Time{}, false
	}
	if layout != "" {
		if zone == nil {
			zone = time.UTC
		}
		t, err := time.ParseInLocation(layout, s, zone)
		return t.UTC(), err == nil && goodYear(t)
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), goodYear(t)
	}
	c, exp, ok := parseDecimal(s)
	if !ok || c.Sign() < 0 {
		return time.Time{}, false
	}
	// Seconds reach 10^11 in the year 5138; each smaller unit starts where the larger one ends.
	f, _ := new(big.Float).SetInt(c).Float64()
	unit := 9
	for size := f * math.Pow10(exp); size >= 1e11 && unit > 0; size /= 1000 {
		unit -= 3
	}
	exp += unit
	if exp > 20 {
		return time.Time{}, false
	}
	if exp >= 0 {
		c.Mul(c, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exp)), nil))
	} else {
		c.Quo(c, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-exp)), nil))
	}
	sec, nano := new(big.Int).QuoRem(c, big.NewInt(1e9), new(big.Int))
	if !sec.IsInt64() {
		return time.Time{}, false
	}
	t := time.Unix(sec.Int64(), nano.Int64()).UTC()
	return t, goodYear(t)
}

// goodYear keeps times that RFC 3339 can write again and unix milliseconds can hold.
func goodYear(t time.Time) bool {
	return t.Year() >= 1 && t.UTC().Year() <= 9999 && t.UTC().Year() >= 1
}

// Parse reads a value of a type from a text, as the loader does with `default`; a list is one item, or none when empty.
func Parse(t Type, s string) (Value, bool) {
	if t == List {
		v := Value{State: Known, Type: List}
		if s != "" {
			v.List = []string{s}
		}
		return v, true
	}
	v := coerce(&Field{Type: t}, text(s))
	return v, v.OK()
}
