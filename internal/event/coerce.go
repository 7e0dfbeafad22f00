package event

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
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

	// maxRead is how much of a list is read: one more than the recipients it may name, so that a longer one is known for what it is.
	maxRead = MaxRecipients + 1
)

// MaxRecipients is how many users one list may name.
const MaxRecipients = 100

// coerce makes v a raw value of its declared type, losslessly, or Bad. Both are large: they are handed by reference.
func (v *Value) coerce(f *Field, r *gjson.Result, t *texts) {
	*v = Value{State: stateOf(r), Type: f.Type}
	if v.State != Bad {
		return
	}
	if v.typed(f, r, t) && (f.Values == nil || v.allowed(f.Values)) {
		v.State = Known
		return
	}
	*v = Value{State: Bad, Type: f.Type, Str: cut(valid(raw(*r)), badPreview)}
}

func (v *Value) allowed(values []string) bool {
	if v.List == nil {
		return slices.Contains(values, v.Str)
	}
	other := func(s string) bool { return !slices.Contains(values, s) }
	return !slices.ContainsFunc(v.List, other) && !slices.ContainsFunc(v.Beyond, other)
}

// typed fills in the parts that the field's type needs; false when the value is not of that type.
func (v *Value) typed(f *Field, r *gjson.Result, t *texts) (ok bool) {
	switch f.Type {
	case Number:
		s := ""
		switch r.Type {
		case gjson.Number:
			s = r.Raw
		case gjson.String:
			s = r.Str
		default:
			return false
		}
		return v.number(s, f.Scale, t)
	case Bool:
		if r.Type == gjson.JSON {
			return false
		}
		switch r.String() { // JSON has booleans, MySQL's tinyint(1) arrives as 0 and 1
		case "true", "1":
			v.Str, v.Bool = "true", true
			return true
		case "false", "0":
			v.Str = "false"
			return true
		}
		return false
	case Time:
		v.Time, ok = parseTime(r, "", nil)
		var room [len(time.RFC3339Nano)]byte
		v.Str = t.keep(v.Time.AppendFormat(room[:0], time.RFC3339Nano))
		return ok
	case List:
		if !r.IsArray() {
			return false
		}
		list := t.list()
		ok = true
		r.ForEach(func(_, it gjson.Result) bool {
			if it.Type == gjson.Null {
				return true
			}
			var s string
			if s, ok = scalar(&it); !ok {
				return false
			}
			list = append(list, s)
			return len(list) < maxRead
		})
		v.divide(t.took(list))
		return ok
	}
	v.Str, ok = scalar(r)
	return ok
}

// divide sets a list, and apart from it what conditions are not given.
func (v *Value) divide(list []string) {
	n := min(len(list), maxItems)
	v.List = list[:n:n]
	if n < len(list) {
		v.Beyond = list[n:min(len(list), maxRead)]
	}
}

// ListOf gives a list as the decoder would.
func ListOf(items []string) Value {
	v := Value{State: Known, Type: List}
	v.divide(items)
	return v
}

// number fills in a number from its digits.
func (v *Value) number(s, scale string, t *texts) (ok bool) {
	if scale == "" && v.short(withoutZeros(s)) {
		return true
	}
	if v.Str, ok = decimal(s, scale, t); !ok {
		return false
	}
	var err error
	v.Num, err = strconv.ParseFloat(v.Str, 64)
	return err == nil && !math.IsInf(v.Num, 0)
}

// short fills in a number from digits that are written as decimal writes them and that a float64 holds without the point, as it does
// the power of ten that they are divided by: then the quotient is the nearest there is.
func (v *Value) short(s string) bool {
	c, exp, ok := smallDecimal(s)
	if !ok || c > 1<<53 || !canonical(s) {
		return false
	}
	v.Str, v.Num = s, float64(c)/tens[-exp]
	if s[0] == '-' {
		v.Num = -v.Num
	}
	return true
}

var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// scalar gives a scalar as text: a number by its own digits, so that large integers stay exact.
func scalar(r *gjson.Result) (string, bool) {
	switch r.Type {
	case gjson.String:
		return shortText(r.Str), true
	case gjson.Number, gjson.True, gjson.False:
		return cut(r.Raw, maxString), true
	}
	return "", false
}

// shortText makes a text from JSON one that may be used.
func shortText(s string) string { return cut(valid(s), maxString) }

func valid(s string) string {
	if utf8.ValidString(s) { // faster than the other
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

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
func decimal(s, scale string, t *texts) (string, bool) {
	if scale == "" {
		if short := withoutZeros(s); len(s) <= maxDigits && canonical(short) {
			return short, true
		}
		scale = "1"
	}
	var digits, room [64]byte // more than small numbers need
	if c, exp, ok := smallDecimal(s); ok {
		if f, fe, ok := smallDecimal(scale); ok {
			if hi, lo := bits.Mul64(c, f); hi == 0 {
				b, ok := written(room[:0], strconv.AppendUint(digits[:0], lo, 10), exp+fe, max(0, -fe), lo != 0 && (s[0] == '-') != (scale[0] == '-'))
				return t.keep(b), ok
			}
		}
	}
	c, exp, ok := parseDecimal(s)
	if !ok {
		return "", false
	}
	f, fe, ok := parseDecimal(scale)
	if !ok {
		return "", false
	}
	c.Mul(c, f)
	b, ok := written(room[:0], new(big.Int).Abs(c).Append(digits[:0], 10), exp+fe, max(0, -fe), c.Sign() < 0)
	return t.keep(b), ok
}

// withoutZeros leaves out the zeros at the end of a number's digits behind the point: 812.50 is 812.5.
func withoutZeros(s string) string {
	if s == "" || s[len(s)-1] != '0' {
		return s
	}
	point := strings.IndexByte(s, '.')
	if point < 0 {
		return s
	}
	frac := strings.TrimRight(s[point+1:], "0")
	if frac == "" {
		return s[:point]
	}
	return s[:point+1+len(frac)]
}

// written writes out digits, which do not begin with zero unless they are it, times a power of ten, with at least keep digits behind
// the point.
func written(to, digits []byte, exp, keep int, negative bool) ([]byte, bool) {
	if digits[0] == '0' {
		digits, exp = nil, 0
	}
	from := len(to)
	if negative {
		to = append(to, '-')
	}
	whole := len(digits) + exp // digits before the point
	if whole <= 0 {
		to = append(to, '0')
	} else {
		to = append(to, digits[:min(whole, len(digits))]...)
		to = zeros(to, whole-len(digits))
	}
	lead, frac := max(0, -whole), digits[min(max(0, whole), len(digits)):]
	for lead+len(frac) > keep && len(frac) > 0 && frac[len(frac)-1] == '0' {
		frac = frac[:len(frac)-1]
	}
	if n := lead + len(frac); max(n, keep) > 0 {
		to = append(to, '.')
		to = append(zeros(to, lead), frac...)
		to = zeros(to, keep-n)
	}
	return to, len(to)-from <= 2*maxDigits
}

func zeros(to []byte, n int) []byte {
	for range n {
		to = append(to, '0')
	}
	return to
}

// canonical reports whether a number is written as decimal would write it: most are, and need no copy.
func canonical(s string) bool {
	whole := strings.TrimPrefix(s, "-")
	n := 0
	for n < len(whole) && whole[n] >= '0' && whole[n] <= '9' {
		n++
	}
	switch {
	case n == 0 || len(s) > maxDigits || (n > 1 && whole[0] == '0'):
		return false
	case n == len(whole):
		return s != "-0"
	case whole[n] != '.' || n+1 == len(whole) || whole[len(whole)-1] == '0':
		return false
	}
	for _, c := range []byte(whole[n+1:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// smallDecimal is parseDecimal for up to 18 digits without exponent, the sign left to the reader; not ok says nothing.
func smallDecimal(s string) (c uint64, exp int, ok bool) {
	i, point := 0, -1
	if i < len(s) && s[i] == '-' {
		i++
	}
	from := i
	for ; i < len(s); i++ {
		switch {
		case s[i] >= '0' && s[i] <= '9':
			c = 10*c + uint64(s[i]-'0')
		case s[i] == '.' && point < 0 && i > from && i+1 < len(s):
			point = i
		default:
			return 0, 0, false
		}
	}
	if point >= 0 {
		exp = point + 1 - len(s)
	}
	return c, exp, i > from && i-from <= 18
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
func parseTime(r *gjson.Result, layout string, zone *time.Location) (time.Time, bool) {
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
	if n, ok := unixDigits(s); ok {
		t := unixBySize(n)
		return t, goodYear(t)
	}
	if r.Type == gjson.String {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			return t.UTC(), goodYear(t)
		}
	}
	c, exp, ok := parseDecimal(s)
	if !ok || c.Sign() < 0 {
		return time.Time{}, false
	}
	f, _ := new(big.Float).SetInt(c).Float64()
	exp += unixUnit(f * math.Pow10(exp))
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

// unixUnit is the power of ten of nanoseconds that a unix number of a size counts: seconds reach 10^11 in the year
// 5138; each smaller unit starts where the larger one ends.
func unixUnit(size float64) int {
	unit := 9
	for ; size >= 1e11 && unit > 0; size /= 1000 {
		unit -= 3
	}
	return unit
}

// unixDigits reads up to 18 digits; others are read by parseTime with unbounded numbers.
func unixDigits(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

func unixBySize(n int64) time.Time {
	per := int64(1) // nanoseconds
	for range unixUnit(float64(n)) {
		per *= 10
	}
	in := 1_000_000_000 / per // of them to a second
	return time.Unix(n/in, n%in*per).UTC()
}

// goodYear keeps times that RFC 3339 can write again and unix milliseconds can hold.
func goodYear(t time.Time) bool {
	return t.Unix() >= yearOne && t.Unix() < yearTenThousand && (t.Location() == time.UTC || t.Year() >= 1)
}

// The first seconds of years 1 and 10,000 in UTC: asking a time for its year takes longer than reading it.
const (
	yearOne         = -62135596800
	yearTenThousand = 253402300800
)

// Parse reads a value of the field as a condition sees it: after scale, with the digits behind the point that scale gives a record's.
func (f *Field) Parse(s string) (Value, bool) {
	v, ok := Parse(f.Type, s)
	if ok && f.Type == Number && f.Scale != "" {
		if _, exp, _ := parseDecimal(f.Scale); exp < 0 {
			if long, fits := decimal(v.Str, "1."+strings.Repeat("0", -exp), nil); fits {
				v.Str = long
			}
		}
	}
	return v, ok
}

// Parse reads a value of a type from a text, as the loader does with `default`; a list is one item, or none when empty.
func Parse(t Type, s string) (Value, bool) {
	if t == List {
		if s == "" {
			return ListOf(nil), true
		}
		return ListOf([]string{s}), true
	}
	return (&Field{Type: t}).Coerce(s)
}

// Coerce reads a text as if a record had it: before scale, and only one of the field's values. A text is no list.
func (f *Field) Coerce(s string) (Value, bool) {
	var v Value
	r := text(s)
	v.coerce(f, &r, nil)
	return v, v.OK()
}
