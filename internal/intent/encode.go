package intent

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Encode gives the wire form.
func (in *Intent) Encode() ([]byte, error) {
	in.V = Version
	size := 320 + 2*len(in.ID) + len(in.Event.ID) + len(in.RuleSet) // the names, numbers and times are 300 bytes
	if c := in.Content; c != nil {
		size += len(c.Title) + len(c.Body) + len(c.Link) + len(c.Image)
	}
	return in.AppendJSON(make([]byte, 0, size))
}

// AppendJSON appends the bytes that encoding/json makes of the intent, without reflection: stage 1 encodes every
// intent, and it has little else to do for one.
func (in *Intent) AppendJSON(b []byte) ([]byte, error) {
	w := writer{b: b}
	w.intent(in)
	if w.err != nil {
		return nil, fmt.Errorf("encode intent %s: %w", in.ID, w.err)
	}
	return w.b, nil
}

// writer appends JSON and keeps the first error. A name comes with its quotes and colon.
type writer struct {
	b   []byte
	err error
}

func (w *writer) intent(in *Intent) {
	w.open()
	w.number(`"v":`, int64(in.V))
	w.text(`"id":`, string(in.ID))
	w.name(`"event":`)
	w.event(&in.Event)
	w.text(`"rule":`, in.Rule)
	w.text(`"rule_set":`, in.RuleSet)
	w.text(`"account":`, in.Account)
	w.text(`"key":`, in.Key)
	w.text(`"target":`, in.Target)
	w.text(`"action":`, string(in.Action))
	w.truth(`"shadow":`, in.Shadow)
	w.textIf(`"class":`, in.Class)
	if in.Profile != nil {
		w.name(`"profile":`)
		w.profile(in.Profile)
	}
	if in.Audience != nil {
		w.name(`"audience":`)
		w.audience(in.Audience)
	}
	if in.Content != nil {
		w.name(`"content":`)
		w.content(in.Content)
	}
	if in.Merge != nil {
		w.name(`"merge":`)
		w.merge(in.Merge)
	}
	if !in.Policy.zero() {
		w.name(`"policy":`)
		w.policy(&in.Policy)
	}
	w.textIf(`"dead":`, in.Dead)
	w.textIf(`"dead_detail":`, in.DeadDetail)
	w.close()
}

func (w *writer) event(e *EventRef) {
	w.open()
	w.text(`"id":`, e.ID)
	w.text(`"type":`, e.Type)
	w.time(`"time":`, e.Time)
	w.text(`"topic":`, e.Topic)
	w.number(`"partition":`, int64(e.Partition))
	w.number(`"offset":`, e.Offset)
	w.close()
}

func (w *writer) profile(p *Profile) {
	w.open()
	w.number(`"ver":`, p.Version)
	w.truth(`"gone":`, p.Gone)
	w.name(`"fields":`)
	if p.Fields == nil {
		w.b = append(w.b, "null"...)
	} else {
		w.open()
		for _, k := range sorted(p.Fields) {
			w.key(k)
			v := p.Fields[k]
			w.open()
			w.textIf(`"t":`, string(v.Type))
			w.textIf(`"s":`, v.Str)
			w.textsIf(`"l":`, v.List)
			w.close()
		}
		w.close()
	}
	w.close()
}

func (w *writer) audience(a *Audience) {
	w.open()
	w.truth(`"everyone":`, a.Everyone)
	w.truth(`"online":`, a.Online)
	w.textsIf(`"all_of":`, a.AllOf)
	w.textsIf(`"any_of":`, a.AnyOf)
	w.textsIf(`"none_of":`, a.NoneOf)
	w.textIf(`"package":`, a.Package)
	w.close()
}

func (w *writer) content(c *Content) {
	w.open()
	w.textIf(`"title":`, c.Title)
	w.textIf(`"body":`, c.Body)
	w.textIf(`"link":`, c.Link)
	w.textIf(`"image":`, c.Image)
	w.textIf(`"group":`, c.Group)
	if c.Badge != nil {
		w.number(`"badge":`, int64(*c.Badge))
	}
	if len(c.Data) > 0 {
		w.textMap(`"data":`, c.Data)
	}
	w.textsIf(`"platforms":`, c.Platforms)
	if m := c.Message; m != nil {
		w.name(`"message":`)
		w.open()
		w.textIf(`"from":`, m.From)
		w.text(`"type":`, m.Type)
		w.textMap(`"content":`, m.Content)
		w.textIf(`"extra":`, m.Extra)
		w.close()
	}
	if len(c.RongCloud) > 0 {
		w.name(`"rongcloud":`)
		w.any(c.RongCloud)
	}
	w.close()
}

func (w *writer) merge(m *Merge) {
	w.open()
	w.text(`"key":`, m.Key)
	w.numberIf(`"wait":`, int64(m.Wait))
	w.truth(`"extend":`, m.Extend)
	w.numberIf(`"max_wait":`, int64(m.MaxWait))
	w.text(`"keep":`, string(m.Keep))
	if m.One != nil {
		w.name(`"one":`)
		w.open()
		w.textIf(`"title":`, m.One.Title)
		w.textIf(`"body":`, m.One.Body)
		w.close()
	}
	if len(m.Vars) > 0 {
		w.name(`"vars":`)
		w.open()
		for _, k := range sorted(m.Vars) {
			w.key(k)
			w.any(m.Vars[k])
		}
		w.close()
	}
	w.close()
}

// zero is what `omitzero` asks: nothing set, not even an empty list.
func (p *Policy) zero() bool {
	return p.Priority == 0 && p.Expire == time.Time{} && p.PerUser == nil && p.Quiet == nil && !p.DropOn && p.Approval == nil && !p.NoCaps
}

func (w *writer) policy(p *Policy) {
	w.open()
	w.numberIf(`"priority":`, int64(p.Priority))
	if !p.Expire.IsZero() {
		w.time(`"expire":`, p.Expire)
	}
	if len(p.PerUser) > 0 {
		w.name(`"per_user":`)
		w.b = append(w.b, '[')
		for i, c := range p.PerUser {
			w.next(i)
			w.open()
			w.number(`"n":`, int64(c.N))
			w.numberIf(`"in":`, int64(c.In))
			w.textIf(`"per":`, c.Each)
			w.close()
		}
		w.b = append(w.b, ']')
	}
	if len(p.Quiet) > 0 {
		w.name(`"quiet":`)
		w.b = append(w.b, '[')
		for i, q := range p.Quiet {
			w.next(i)
			w.open()
			w.number(`"from":`, int64(q.From))
			w.number(`"to":`, int64(q.To))
			w.numberIf(`"days":`, int64(q.Weekdays))
			w.close()
		}
		w.b = append(w.b, ']')
	}
	w.truth(`"drop_quiet":`, p.DropOn)
	if a := p.Approval; a != nil {
		w.name(`"approval":`)
		w.open()
		w.number(`"people":`, int64(a.People))
		w.number(`"within":`, int64(a.Within))
		w.close()
	}
	w.truth(`"no_caps":`, p.NoCaps)
	w.close()
}

func (w *writer) open()  { w.b = append(w.b, '{') }
func (w *writer) close() { w.b = append(w.b, '}') }

// name begins a member. Only an object that was just opened ends in a brace without a comma being due.
func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, name...)
}

// key begins a member whose name is data.
func (w *writer) key(k string) {
	w.name("")
	w.quote(k)
	w.b = append(w.b, ':')
}

// next begins the i-th item of a list.
func (w *writer) next(i int) {
	if i > 0 {
		w.b = append(w.b, ',')
	}
}

func (w *writer) text(name, s string) {
	w.name(name)
	w.quote(s)
}

func (w *writer) textIf(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *writer) textsIf(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.b = append(w.b, '[')
	for i, s := range list {
		w.next(i)
		w.quote(s)
	}
	w.b = append(w.b, ']')
}

func (w *writer) textMap(name string, m map[string]string) {
	w.name(name)
	if m == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.open()
	for _, k := range sorted(m) {
		w.key(k)
		w.quote(m[k])
	}
	w.close()
}

func (w *writer) number(name string, n int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

func (w *writer) numberIf(name string, n int64) {
	if n != 0 {
		w.number(name, n)
	}
}

func (w *writer) truth(name string, is bool) {
	if is {
		w.name(name)
		w.b = append(w.b, "true"...)
	}
}

func (w *writer) time(name string, t time.Time) {
	w.name(name)
	w.b = append(w.b, '"')
	b, err := t.AppendText(w.b)
	if err != nil {
		w.err = err
		return
	}
	w.b = append(b, '"')
}

// any appends a text or a list of texts; anything else is left to encoding/json.
func (w *writer) any(v any) {
	switch v := v.(type) {
	case string:
		w.quote(v)
		return
	case []any:
		if v == nil {
			break
		}
		w.b = append(w.b, '[')
		for i, it := range v {
			w.next(i)
			w.any(it)
		}
		w.b = append(w.b, ']')
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		w.err = err
		return
	}
	w.b = append(w.b, b...)
}

func sorted[V any](m map[string]V) []string {
	keys := slices.AppendSeq(make([]string, 0, len(m)), maps.Keys(m))
	slices.Sort(keys)
	return keys
}

// safe are the ASCII characters that stand for themselves in a JSON string, also in one that HTML holds.
var safe = func() (t [utf8.RuneSelf]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return t
}()

const hex = "0123456789abcdef"

// quote appends a JSON string, escaped as encoding/json does: what is not UTF-8 becomes U+FFFD.
func (w *writer) quote(s string) {
	b := append(w.b, '"')
	from := 0 // of what stands for itself
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if safe[c] {
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
	w.b = append(append(b, s[from:]...), '"')
}
