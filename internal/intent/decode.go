package intent

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/notifier/notifier/internal/event"
)

// ErrNewer means that a newer release has written an intent: it has meaning, but not to this binary.
var ErrNewer = errors.New("a newer release has written it")

// Decode reads the wire form of this release and of those before.
func Decode(b []byte) (*Intent, error) {
	in := new(Intent)
	switch {
	case len(b) > 0 && b[0] == '{':
		if err := json.Unmarshal(b, in); err != nil {
			return nil, fmt.Errorf("decode intent: %w", err)
		}
		if in.V != versionJSON {
			return nil, fmt.Errorf("decode intent %s: JSON of version %d, there is only version %d", in.ID, in.V, versionJSON)
		}
		return in, nil
	case len(b) > 0 && (b[0] == Version || b[0] == versionBinary):
		in.V = int(b[0])
		if err := in.fill(b); err != nil {
			return nil, err
		}
		return in, nil
	case len(b) > 0 && b[0] > Version && b[0] < '{':
		return nil, fmt.Errorf("decode intent: wire version %d, this binary reads up to %d: %w", b[0], Version, ErrNewer)
	}
	return nil, errors.New("decode intent: no wire form of any version")
}

// fill reads the fields of a binary wire form into an intent, which may hold some already.
func (in *Intent) fill(b []byte) error {
	if err := fields(b[1:], in.field); err != nil {
		return fmt.Errorf("decode intent: %w", err)
	}
	if in.ID == "" {
		in.ID = MakeID(in.Position(), in.Rule, in.Target)
	}
	return nil
}

// field is one field of a message. Reading it as something else than it is leaves its error in err.
type field struct {
	number number
	kind   uint64
	n      int64
	b      []byte
	err    error
}

var errCut = errors.New("the message is cut off or damaged")

// fields reads the fields of a message, one after the other. Unknown ones are the reader's to pass over.
func fields(b []byte, read func(*field)) error {
	for len(b) > 0 {
		tag, size := binary.Uvarint(b)
		if size <= 0 || tag>>3 == 0 {
			return errCut
		}
		b = b[size:]
		f := field{number: number(tag >> 3), kind: tag & 7}
		length := uint64(0) // of what follows the size
		switch f.kind {
		case kindVarint:
			f.n, size = binary.Varint(b)
		case kindBytes:
			length, size = binary.Uvarint(b)
		case kindFixed64:
			size, length = 0, 8
		case kindFixed32:
			size, length = 0, 4
		default:
			return fmt.Errorf("field %d has wire type %d", f.number, f.kind)
		}
		if size < 0 || size == 0 && (f.kind == kindVarint || f.kind == kindBytes) || length > uint64(len(b)-size) {
			return errCut
		}
		f.b, b = b[size:size+int(length)], b[size+int(length):]
		if read(&f); f.err != nil {
			return f.err
		}
	}
	return nil
}

func (f *field) want(kind uint64) bool {
	if f.kind != kind {
		f.err = fmt.Errorf("field %d has wire type %d, want %d", f.number, f.kind, kind)
	}
	return f.err == nil
}

func (f *field) text() string {
	if !f.want(kindBytes) {
		return ""
	}
	return string(f.b)
}

func (f *field) integer() int64 {
	if !f.want(kindVarint) {
		return 0
	}
	return f.n
}

func (f *field) truth() bool { return f.integer() != 0 }

// message reads a message within.
func (f *field) message(read func(*field)) {
	if f.want(kindBytes) {
		f.err = fields(f.b, read)
	}
}

// seconds and nanos read the two halves of a time.
func (f *field) seconds(t *time.Time) { *t = time.Unix(f.integer(), 0).UTC() }
func (f *field) nanos(t *time.Time)   { *t = t.Add(time.Duration(f.integer())) }

func (in *Intent) field(f *field) {
	switch f.number {
	case fID:
		in.ID = ID(f.text())
	case fEvent:
		f.message(in.Event.field)
	case fRule:
		in.Rule = f.text()
	case fRuleSet:
		in.RuleSet = f.text()
	case fAccount:
		in.Account = f.text()
	case fKey:
		in.Key = f.text()
	case fTarget:
		in.Target = f.text()
	case fAction:
		in.Action = Action(f.text())
	case fShadow:
		in.Shadow = f.truth()
	case fClass:
		in.Class = f.text()
	case fProfile:
		in.Profile = &Profile{Fields: map[string]Value{}}
		f.message(in.Profile.field)
	case fAudience:
		in.Audience = &Audience{}
		f.message(in.Audience.field)
	case fContent:
		c := Content{}
		if in.Content != nil { // DecodeOwn: the rest is shared
			c = *in.Content
		}
		in.Content = &c
		f.message(c.field)
	case fMerge:
		in.Merge = &Merge{}
		f.message(in.Merge.field)
	case fPolicy:
		f.message(in.Policy.field)
	case fRevision:
		in.Revision = f.text()
	case fMade:
		in.Made = f.text()
	case fDead:
		in.Dead = f.text()
	case fDeadDetail:
		in.DeadDetail = f.text()
	case fCanary:
		in.Canary = f.truth()
	case fUserWhen:
		in.UserWhen = f.text()
	case fVariant:
		in.Variant = f.text()
	case fNext:
		in.Next = append(in.Next, f.text())
	case fTrace:
		in.Trace = f.text()
	}
}

func (e *EventRef) field(f *field) {
	switch f.number {
	case fEventID:
		e.ID = f.text()
	case fEventType:
		e.Type = f.text()
	case fEventSeconds:
		f.seconds(&e.Time)
	case fEventNanos:
		f.nanos(&e.Time)
	case fEventTopic:
		e.Topic = f.text()
	case fEventPartition:
		e.Partition = int32(f.integer())
	case fEventOffset:
		e.Offset = f.integer()
	}
}

func (p *Profile) field(f *field) {
	switch f.number {
	case fProfileVersion:
		p.Version = f.integer()
	case fProfileGone:
		p.Gone = f.truth()
	case fProfileField:
		e := readEntry(f)
		p.Fields[e.key] = Value{Type: event.Type(e.kind), Str: e.text, List: e.items}
	}
}

// entry is one member of a map.
type entry struct {
	key, kind, text string
	items           []string
	isList          bool
	json            []byte
}

func readEntry(f *field) (e entry) {
	f.message(func(f *field) {
		switch f.number {
		case fEntryKey:
			e.key = f.text()
		case fEntryType:
			e.kind = f.text()
		case fEntryText:
			e.text = f.text()
		case fEntryItem:
			e.items = append(e.items, f.text())
		case fEntryIsList:
			e.isList = f.truth()
		case fEntryJSON:
			if f.want(kindBytes) {
				e.json = f.b
			}
		}
	})
	return e
}

// putText adds an entry to a map of texts, which is made when the first comes.
func putText(m *map[string]string, f *field) {
	e := readEntry(f)
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[e.key] = e.text
}

func (a *Audience) field(f *field) {
	switch f.number {
	case fAudienceEveryone:
		a.Everyone = f.truth()
	case fAudienceOnline:
		a.Online = f.truth()
	case fAudienceAllOf:
		a.AllOf = append(a.AllOf, f.text())
	case fAudienceAnyOf:
		a.AnyOf = append(a.AnyOf, f.text())
	case fAudienceNoneOf:
		a.NoneOf = append(a.NoneOf, f.text())
	case fAudiencePackage:
		a.Package = f.text()
	}
}

func (c *Content) field(f *field) {
	switch f.number {
	case fContentTitle:
		c.Title = f.text()
	case fContentBody:
		c.Body = f.text()
	case fContentLink:
		c.Link = f.text()
	case fContentImage:
		c.Image = f.text()
	case fContentGroup:
		c.Group = f.text()
	case fContentBadge:
		n := int(f.integer())
		c.Badge = &n
	case fContentData:
		putText(&c.Data, f)
	case fContentPlatform:
		c.Platforms = append(c.Platforms, f.text())
	case fContentMessage:
		c.Message = &Message{}
		f.message(c.Message.field)
	case fContentRongCloud:
		c.RongCloud = json.RawMessage(f.text())
	case fContentGetui:
		c.Getui = json.RawMessage(f.text())
	case fContentOpen:
		c.Open = f.truth()
	case fContentPersonal:
		c.Personal = append(c.Personal, f.text())
	}
}

func (m *Message) field(f *field) {
	switch f.number {
	case fMessageFrom:
		m.From = f.text()
	case fMessageType:
		m.Type = f.text()
	case fMessageContent:
		putText(&m.Content, f)
	case fMessageExtra:
		m.Extra = f.text()
	}
}

func (m *Merge) field(f *field) {
	switch f.number {
	case fMergeKey:
		m.Key = f.text()
	case fMergeWait:
		m.Wait = time.Duration(f.integer())
	case fMergeExtend:
		m.Extend = f.truth()
	case fMergeMaxWait:
		m.MaxWait = time.Duration(f.integer())
	case fMergeKeep:
		m.Keep = Keep(f.text())
	case fMergeOne:
		m.One = &One{}
		f.message(m.One.field)
	case fMergeVar:
		m.putVar(f)
	}
}

func (m *Merge) putVar(f *field) {
	e := readEntry(f)
	if m.Vars == nil {
		m.Vars = map[string]any{}
	}
	var v any = e.text
	switch {
	case e.isList:
		list := make([]any, len(e.items))
		for i, s := range e.items {
			list[i] = s
		}
		v = list
	case e.json != nil:
		v = nil
		if err := json.Unmarshal(e.json, &v); err != nil && f.err == nil {
			f.err = fmt.Errorf("value of %q: %w", e.key, err)
		}
	}
	m.Vars[e.key] = v
}

func (o *One) field(f *field) {
	switch f.number {
	case fOneTitle:
		o.Title = f.text()
	case fOneBody:
		o.Body = f.text()
	}
}

func (p *Policy) field(f *field) {
	switch f.number {
	case fPolicyPriority:
		p.Priority = Priority(f.integer())
	case fPolicyExpireSeconds:
		f.seconds(&p.Expire)
	case fPolicyExpireNanos:
		f.nanos(&p.Expire)
	case fPolicyPerUser:
		var c Cap
		f.message(c.field)
		p.PerUser = append(p.PerUser, c)
	case fPolicyQuiet:
		var q Quiet
		f.message(q.field)
		p.Quiet = append(p.Quiet, q)
	case fPolicyDropOn:
		p.DropOn = f.truth()
	case fPolicyApproval:
		p.Approval = &Approval{}
		f.message(p.Approval.field)
	case fPolicyNoCaps:
		p.NoCaps = f.truth()
	case fPolicySendAt:
		n := int(f.integer())
		p.SendAt = &n
	case fPolicyOnce:
		p.Once = &Once{}
		f.message(p.Once.field)
	case fPolicyRuleCap:
		var c Cap
		f.message(c.field)
		p.RuleCaps = append(p.RuleCaps, c)
	case fPolicyBrake:
		p.Brake = &Cap{}
		f.message(p.Brake.field)
	case fPolicyShare:
		p.Share = &Cap{}
		f.message(p.Share.field)
	case fPolicyDropNoQuota:
		p.DropNoQuota = f.truth()
	}
}

func (o *Once) field(f *field) {
	switch f.number {
	case fOnceBy:
		o.By = f.text()
	case fOnceIn:
		o.In = time.Duration(f.integer())
	}
}

func (c *Cap) field(f *field) {
	switch f.number {
	case fCapN:
		c.N = int(f.integer())
	case fCapIn:
		c.In = time.Duration(f.integer())
	case fCapEach:
		c.Each = f.text()
	}
}

func (q *Quiet) field(f *field) {
	switch f.number {
	case fQuietFrom:
		q.From = int(f.integer())
	case fQuietTo:
		q.To = int(f.integer())
	case fQuietWeekdays:
		q.Weekdays = uint8(f.integer())
	}
}

func (a *Approval) field(f *field) {
	switch f.number {
	case fApprovalPeople:
		a.People = int(f.integer())
	case fApprovalWithin:
		a.Within = time.Duration(f.integer())
	}
}
