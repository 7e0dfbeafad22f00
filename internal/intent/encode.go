package intent

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Encode gives the wire form.
func (in *Intent) Encode() ([]byte, error) {
	size := 320 + 2*len(in.ID) + len(in.Event.ID) + len(in.RuleSet) // the names, numbers and times are 300 bytes
	if c := in.Content; c != nil {
		size += len(c.Title) + len(c.Body) + len(c.Link) + len(c.Image)
	}
	return in.AppendJSON(make([]byte, 0, size))
}

// AppendJSON appends the bytes that encoding/json makes of the intent, without reflection: stage 1 encodes every
// intent, and it has little else to do for one.
func (in *Intent) AppendJSON(b []byte) ([]byte, error) {
	in.V = Version
	out, err := buffer(b).intent(in)
	if err != nil {
		return nil, fmt.Errorf("encode intent %s: %w", in.ID, err)
	}
	return out, nil
}

// buffer is JSON to append to: values, so that nothing is stored but the bytes. A name comes with its quotes and colon.
type buffer []byte

func (b buffer) intent(in *Intent) (buffer, error) {
	var err error
	b = b.open()
	b = b.number(`"v":`, int64(in.V))
	b = b.text(`"id":`, string(in.ID))
	b = b.name(`"event":`)
	if b, err = b.event(&in.Event); err != nil {
		return nil, err
	}
	b = b.text(`"rule":`, in.Rule)
	b = b.text(`"rule_set":`, in.RuleSet)
	b = b.text(`"account":`, in.Account)
	b = b.text(`"key":`, in.Key)
	b = b.text(`"target":`, in.Target)
	b = b.text(`"action":`, string(in.Action))
	b = b.truth(`"shadow":`, in.Shadow)
	b = b.textIf(`"class":`, in.Class)
	if in.Profile != nil {
		b = b.name(`"profile":`)
		b = b.profile(in.Profile)
	}
	if in.Audience != nil {
		b = b.name(`"audience":`)
		b = b.audience(in.Audience)
	}
	if in.Content != nil {
		b = b.name(`"content":`)
		if b, err = b.content(in.Content); err != nil {
			return nil, err
		}
	}
	if in.Merge != nil {
		b = b.name(`"merge":`)
		if b, err = b.merge(in.Merge); err != nil {
			return nil, err
		}
	}
	if !in.Policy.zero() {
		b = b.name(`"policy":`)
		if b, err = b.policy(&in.Policy); err != nil {
			return nil, err
		}
	}
	b = b.textIf(`"dead":`, in.Dead)
	b = b.textIf(`"dead_detail":`, in.DeadDetail)
	return b.close(), nil
}

func (b buffer) event(e *EventRef) (buffer, error) {
	var err error
	b = b.open()
	b = b.text(`"id":`, e.ID)
	b = b.text(`"type":`, e.Type)
	if b, err = b.time(`"time":`, e.Time); err != nil {
		return nil, err
	}
	b = b.text(`"topic":`, e.Topic)
	b = b.number(`"partition":`, int64(e.Partition))
	b = b.number(`"offset":`, e.Offset)
	return b.close(), nil
}

func (b buffer) profile(p *Profile) buffer {
	b = b.open()
	b = b.number(`"ver":`, p.Version)
	b = b.truth(`"gone":`, p.Gone)
	b = b.name(`"fields":`)
	if p.Fields == nil {
		b = append(b, "null"...)
	} else {
		b = b.open()
		for _, k := range sorted(p.Fields) {
			b = b.key(k)
			v := p.Fields[k]
			b = b.open()
			b = b.textIf(`"t":`, string(v.Type))
			b = b.textIf(`"s":`, v.Str)
			b = b.textsIf(`"l":`, v.List)
			b = b.close()
		}
		b = b.close()
	}
	return b.close()
}

func (b buffer) audience(a *Audience) buffer {
	b = b.open()
	b = b.truth(`"everyone":`, a.Everyone)
	b = b.truth(`"online":`, a.Online)
	b = b.textsIf(`"all_of":`, a.AllOf)
	b = b.textsIf(`"any_of":`, a.AnyOf)
	b = b.textsIf(`"none_of":`, a.NoneOf)
	b = b.textIf(`"package":`, a.Package)
	return b.close()
}

func (b buffer) content(c *Content) (buffer, error) {
	var err error
	b = b.open()
	b = b.textIf(`"title":`, c.Title)
	b = b.textIf(`"body":`, c.Body)
	b = b.textIf(`"link":`, c.Link)
	b = b.textIf(`"image":`, c.Image)
	b = b.textIf(`"group":`, c.Group)
	if c.Badge != nil {
		b = b.number(`"badge":`, int64(*c.Badge))
	}
	if len(c.Data) > 0 {
		b = b.textMap(`"data":`, c.Data)
	}
	b = b.textsIf(`"platforms":`, c.Platforms)
	if m := c.Message; m != nil {
		b = b.name(`"message":`)
		b = b.open()
		b = b.textIf(`"from":`, m.From)
		b = b.text(`"type":`, m.Type)
		b = b.textMap(`"content":`, m.Content)
		b = b.textIf(`"extra":`, m.Extra)
		b = b.close()
	}
	if len(c.RongCloud) > 0 {
		b = b.name(`"rongcloud":`)
		if b, err = b.any(c.RongCloud); err != nil {
			return nil, err
		}
	}
	return b.close(), nil
}

func (b buffer) merge(m *Merge) (buffer, error) {
	var err error
	b = b.open()
	b = b.text(`"key":`, m.Key)
	b = b.numberIf(`"wait":`, int64(m.Wait))
	b = b.truth(`"extend":`, m.Extend)
	b = b.numberIf(`"max_wait":`, int64(m.MaxWait))
	b = b.text(`"keep":`, string(m.Keep))
	if m.One != nil {
		b = b.name(`"one":`)
		b = b.open()
		b = b.textIf(`"title":`, m.One.Title)
		b = b.textIf(`"body":`, m.One.Body)
		b = b.close()
	}
	if len(m.Vars) > 0 {
		b = b.name(`"vars":`)
		b = b.open()
		for _, k := range sorted(m.Vars) {
			b = b.key(k)
			if b, err = b.any(m.Vars[k]); err != nil {
				return nil, err
			}
		}
		b = b.close()
	}
	return b.close(), nil
}

// zero is what `omitzero` asks: nothing set, not even an empty list.
func (p *Policy) zero() bool {
	return p.Priority == 0 && p.Expire == time.Time{} && p.PerUser == nil && p.Quiet == nil && !p.DropOn && p.Approval == nil && !p.NoCaps
}

func (b buffer) policy(p *Policy) (buffer, error) {
	var err error
	b = b.open()
	b = b.numberIf(`"priority":`, int64(p.Priority))
	if !p.Expire.IsZero() {
		if b, err = b.time(`"expire":`, p.Expire); err != nil {
			return nil, err
		}
	}
	if len(p.PerUser) > 0 {
		b = b.name(`"per_user":`)
		b = append(b, '[')
		for i, c := range p.PerUser {
			b = b.next(i)
			b = b.open()
			b = b.number(`"n":`, int64(c.N))
			b = b.numberIf(`"in":`, int64(c.In))
			b = b.textIf(`"per":`, c.Each)
			b = b.close()
		}
		b = append(b, ']')
	}
	if len(p.Quiet) > 0 {
		b = b.name(`"quiet":`)
		b = append(b, '[')
		for i, q := range p.Quiet {
			b = b.next(i)
			b = b.open()
			b = b.number(`"from":`, int64(q.From))
			b = b.number(`"to":`, int64(q.To))
			b = b.numberIf(`"days":`, int64(q.Weekdays))
			b = b.close()
		}
		b = append(b, ']')
	}
	b = b.truth(`"drop_quiet":`, p.DropOn)
	if a := p.Approval; a != nil {
		b = b.name(`"approval":`)
		b = b.open()
		b = b.number(`"people":`, int64(a.People))
		b = b.number(`"within":`, int64(a.Within))
		b = b.close()
	}
	b = b.truth(`"no_caps":`, p.NoCaps)
	return b.close(), nil
}

func (b buffer) open() buffer  { return append(b, '{') }
func (b buffer) close() buffer { return append(b, '}') }

// name begins a member. Only an object that was just opened ends in a brace without a comma being due.
func (b buffer) name(name string) buffer {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(b, name...)
}

// key begins a member whose name is data.
func (b buffer) key(k string) buffer {
	return append(b.name("").quote(k), ':')
}

// next begins the i-th item of a list.
func (b buffer) next(i int) buffer {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func (b buffer) text(name, s string) buffer {
	return b.name(name).quote(s)
}

func (b buffer) textIf(name, s string) buffer {
	if s != "" {
		b = b.text(name, s)
	}
	return b
}

func (b buffer) textsIf(name string, list []string) buffer {
	if len(list) == 0 {
		return b
	}
	b = b.name(name)
	b = append(b, '[')
	for i, s := range list {
		b = b.next(i)
		b = b.quote(s)
	}
	return append(b, ']')
}

func (b buffer) textMap(name string, m map[string]string) buffer {
	b = b.name(name)
	if m == nil {
		b = append(b, "null"...)
		return b
	}
	b = b.open()
	for _, k := range sorted(m) {
		b = b.key(k)
		b = b.quote(m[k])
	}
	return b.close()
}

func (b buffer) number(name string, n int64) buffer {
	b = b.name(name)
	return strconv.AppendInt(b, n, 10)
}

func (b buffer) numberIf(name string, n int64) buffer {
	if n != 0 {
		b = b.number(name, n)
	}
	return b
}

func (b buffer) truth(name string, is bool) buffer {
	if is {
		b = b.name(name)
		b = append(b, "true"...)
	}
	return b
}

func (b buffer) time(name string, t time.Time) (buffer, error) {
	out, err := t.AppendText(append(b.name(name), '"'))
	return append(out, '"'), err
}

// any appends a text or a list of texts; anything else is left to encoding/json.
func (b buffer) any(v any) (buffer, error) {
	switch v := v.(type) {
	case string:
		return b.quote(v), nil
	case []any:
		if v == nil {
			break
		}
		b = append(b, '[')
		for i, it := range v {
			var err error
			if b, err = b.next(i).any(it); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	out, err := json.Marshal(v)
	return append(b, out...), err
}

func sorted[V any](m map[string]V) []string {
	keys := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}

// safe is 1 for the ASCII characters that stand for themselves in a JSON string, also in one that HTML holds.
var safe = func() (t [256]byte) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		if !strings.ContainsRune(`"\<>&`, c) {
			t[c] = 1
		}
	}
	return t
}()

const hex = "0123456789abcdef"

// quote appends a JSON string, escaped as encoding/json does: what is not UTF-8 becomes U+FFFD.
func (b buffer) quote(s string) buffer {
	b = append(b, '"')
	from := 0 // of what stands for itself
	for i := 0; i < len(s); {
		for i+8 <= len(s) && safe[s[i]]&safe[s[i+1]]&safe[s[i+2]]&safe[s[i+3]]&safe[s[i+4]]&safe[s[i+5]]&safe[s[i+6]]&safe[s[i+7]] == 1 {
			i += 8
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c < utf8.RuneSelf {
			if safe[c] == 1 {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + n
		case r == '\u2028' || r == '\u2029': // JavaScript takes them for ends of lines
			b = append(append(b, s[from:i]...), '\\', 'u', '2', '0', '2', hex[r&15])
			from = i + n
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}
