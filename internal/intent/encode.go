package intent

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The wire form is a byte with the version, then a protocol buffers message with the fields below, so that any tool that knows that
// format can read it (cut the first byte, then `protoc --decode_raw`). Version 1 was JSON, which begins with a brace: Decode reads
// it as well; as JSON the ledger of older releases holds intents.
//
// Zero values are left out. All numbers are zigzag; a time is its unix seconds and nanoseconds, always UTC. The id and
// the position are not written twice: an id that is not MakeID of its parts stands in fID. A reader passes over fields it does not
// know, so a field that must not be passed over needs a new version.
type number uint64

// The wire types of protocol buffers.
const (
	kindVarint  = 0
	kindFixed64 = 1
	kindBytes   = 2
	kindFixed32 = 5
)

const (
	fID number = 1 + iota
	fEvent
	fRule
	fRuleSet
	fAccount
	fKey
	fTarget
	fAction
	fShadow
	fClass
	fProfile
	fAudience
	fContent
	fMerge
	fPolicy
	fDead
	fDeadDetail

	fRevision number = 50
	fMade     number = 51
)

// The fields of the messages within.
const (
	fEventID number = 1 + iota
	fEventType
	fEventSeconds
	fEventNanos
	fEventTopic
	fEventPartition
	fEventOffset
)

// The fields of the rule language that came with version 3, in each of the messages: 30 to 39.
const (
	fCanary number = 30 + iota
	fUserWhen
	fVariant
	fNext
)

// What says nothing of the delivery: a release that does not know it may pass over it.
const fTrace number = 60

const fContentOpen number = 30

// As fTrace.
const fContentPersonal number = 60

const fPolicySendAt number = 30

const (
	fProfileVersion number = 1 + iota
	fProfileGone
	fProfileField
)

// An entry of a map: its key, and one of the forms of a value. An entry without a value is the zero Value of the profile table.
const (
	fEntryKey number = 1 + iota
	fEntryType
	fEntryText
	fEntryItem   // one text of a list
	fEntryIsList // a list, which may have no items
	fEntryJSON   // anything else
)

const (
	fAudienceEveryone number = 1 + iota
	fAudienceOnline
	fAudienceAllOf
	fAudienceAnyOf
	fAudienceNoneOf
	fAudiencePackage
)

const (
	fContentTitle number = 1 + iota
	fContentBody
	fContentLink
	fContentImage
	fContentGroup
	fContentBadge
	fContentData
	fContentPlatform
	fContentMessage
	fContentRongCloud
	fContentGetui
)

const (
	fMessageFrom number = 1 + iota
	fMessageType
	fMessageContent
	fMessageExtra
)

const (
	fMergeKey number = 1 + iota
	fMergeWait
	fMergeExtend
	fMergeMaxWait
	fMergeKeep
	fMergeOne
	fMergeVar
)

const (
	fOneTitle number = 1 + iota
	fOneBody
)

const (
	fPolicyPriority number = 1 + iota
	fPolicyExpireSeconds
	fPolicyExpireNanos
	fPolicyPerUser
	fPolicyQuiet
	fPolicyDropOn
	fPolicyApproval
	fPolicyNoCaps
)

const (
	fPolicyOnce number = 20 + iota
	fPolicyRuleCap
	fPolicyBrake
	fPolicyShare
	fPolicyDropNoQuota
)

const (
	fOnceBy number = 1 + iota
	fOnceIn
)

const (
	fCapN number = 1 + iota
	fCapIn
	fCapEach
)

const (
	fQuietFrom number = 1 + iota
	fQuietTo
	fQuietWeekdays
)

const (
	fApprovalPeople number = 1 + iota
	fApprovalWithin
)

// Encode gives the wire form.
func (in *Intent) Encode() ([]byte, error) { return in.Append(make([]byte, 0, 512)) }

// Append appends the wire form.
func (in *Intent) Append(b []byte) ([]byte, error) {
	in.V = Version
	out, err := buffer(append(b, Version)).intent(in)
	if err != nil {
		return nil, fmt.Errorf("encode intent %s: %w", in.ID, err)
	}
	return out, nil
}

// buffer is a message to append to: values, so that nothing is stored but the bytes.
type buffer []byte

func (b buffer) intent(in *Intent) (buffer, error) {
	var room [128]byte
	if string(in.ID) != string(appendID(room[:0], in.Position(), in.Rule, in.Target)) {
		b = b.text(fID, string(in.ID))
	}
	b, at := b.open(fEvent)
	b = b.event(&in.Event).close(at)
	b = b.text(fRule, in.Rule)
	b = b.text(fRuleSet, in.RuleSet)
	b = b.text(fAccount, in.Account)
	b = b.text(fKey, in.Key)
	b = b.text(fTarget, in.Target)
	b = b.text(fAction, string(in.Action))
	b = b.truth(fShadow, in.Shadow)
	b = b.text(fClass, in.Class)
	if in.Profile != nil {
		b, at = b.open(fProfile)
		b = b.profile(in.Profile).close(at)
	}
	if in.Audience != nil {
		b, at = b.open(fAudience)
		b = b.audience(in.Audience).close(at)
	}
	if in.Content != nil {
		b, at = b.open(fContent)
		b = b.content(in.Content).close(at)
	}
	if in.Merge != nil {
		b, at = b.open(fMerge)
		var err error
		if b, err = b.merge(in.Merge); err != nil {
			return nil, err
		}
		b = b.close(at)
	}
	b, at = b.open(fPolicy)
	b = b.policy(&in.Policy).close(at)
	b = b.text(fRevision, in.Revision)
	b = b.text(fMade, in.Made)
	b = b.text(fDead, in.Dead)
	b = b.text(fDeadDetail, in.DeadDetail)
	return b.language(in), nil
}

func (b buffer) language(in *Intent) buffer {
	b = b.truth(fCanary, in.Canary)
	b = b.text(fUserWhen, in.UserWhen)
	b = b.text(fVariant, in.Variant)
	b = b.texts(fNext, in.Next)
	return b.text(fTrace, in.Trace)
}

func (b buffer) event(e *EventRef) buffer {
	b = b.text(fEventID, e.ID)
	b = b.text(fEventType, e.Type)
	b = b.time(fEventSeconds, e.Time)
	b = b.text(fEventTopic, e.Topic)
	b = b.integer(fEventPartition, int64(e.Partition))
	return b.integer(fEventOffset, e.Offset)
}

func (b buffer) profile(p *Profile) buffer {
	b = b.integer(fProfileVersion, p.Version)
	b = b.truth(fProfileGone, p.Gone)
	var room [16]string
	for _, k := range sortedInto(room[:0], p.Fields) {
		v := p.Fields[k]
		var at int
		b, at = b.open(fProfileField)
		b = b.text(fEntryKey, k)
		b = b.text(fEntryType, string(v.Type))
		b = b.text(fEntryText, v.Str)
		b = b.texts(fEntryItem, v.List).close(at)
	}
	return b
}

func (b buffer) audience(a *Audience) buffer {
	b = b.truth(fAudienceEveryone, a.Everyone)
	b = b.truth(fAudienceOnline, a.Online)
	b = b.texts(fAudienceAllOf, a.AllOf)
	b = b.texts(fAudienceAnyOf, a.AnyOf)
	b = b.texts(fAudienceNoneOf, a.NoneOf)
	return b.text(fAudiencePackage, a.Package)
}

func (b buffer) content(c *Content) buffer {
	b = b.text(fContentTitle, c.Title)
	b = b.text(fContentBody, c.Body)
	b = b.text(fContentLink, c.Link)
	b = b.text(fContentImage, c.Image)
	b = b.text(fContentGroup, c.Group)
	if c.Badge != nil {
		b = b.zigzag(fContentBadge, int64(*c.Badge))
	}
	b = b.textMap(fContentData, c.Data)
	b = b.texts(fContentPlatform, c.Platforms)
	if m := c.Message; m != nil {
		var at int
		b, at = b.open(fContentMessage)
		b = b.text(fMessageFrom, m.From)
		b = b.text(fMessageType, m.Type)
		b = b.textMap(fMessageContent, m.Content)
		b = b.text(fMessageExtra, m.Extra).close(at)
	}
	b = b.text(fContentRongCloud, string(c.RongCloud))
	b = b.text(fContentGetui, string(c.Getui))
	b = b.truth(fContentOpen, c.Open)
	return b.texts(fContentPersonal, c.Personal)
}

func (b buffer) merge(m *Merge) (buffer, error) {
	b = b.text(fMergeKey, m.Key)
	b = b.integer(fMergeWait, int64(m.Wait))
	b = b.truth(fMergeExtend, m.Extend)
	b = b.integer(fMergeMaxWait, int64(m.MaxWait))
	b = b.text(fMergeKeep, string(m.Keep))
	if m.One != nil {
		var at int
		b, at = b.open(fMergeOne)
		b = b.text(fOneTitle, m.One.Title)
		b = b.text(fOneBody, m.One.Body).close(at)
	}
	for _, k := range sorted(m.Vars) {
		var at int
		b, at = b.open(fMergeVar)
		b = b.text(fEntryKey, k)
		var err error
		if b, err = b.variable(m.Vars[k]); err != nil {
			return nil, err
		}
		b = b.close(at)
	}
	return b, nil
}

// variable appends what a merge keeps of a field: a text or a list of texts.
func (b buffer) variable(v any) (buffer, error) {
	switch v := v.(type) {
	case string:
		return b.bytes(fEntryText, v), nil
	case []any:
		list, ok := textList(v)
		if ok && v != nil {
			return b.truth(fEntryIsList, true).texts(fEntryItem, list), nil
		}
	}
	j, err := json.Marshal(v)
	return b.bytes(fEntryJSON, string(j)), err
}

func textList(list []any) ([]string, bool) {
	out := make([]string, len(list))
	for i, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, false
		}
		out[i] = s
	}
	return out, true
}

func (b buffer) policy(p *Policy) buffer {
	b = b.integer(fPolicyPriority, int64(p.Priority))
	b = b.time(fPolicyExpireSeconds, p.Expire)
	var at int
	for i := range p.PerUser {
		b = b.limit(fPolicyPerUser, &p.PerUser[i])
	}
	for _, q := range p.Quiet {
		b, at = b.open(fPolicyQuiet)
		b = b.integer(fQuietFrom, int64(q.From))
		b = b.integer(fQuietTo, int64(q.To))
		b = b.integer(fQuietWeekdays, int64(q.Weekdays)).close(at)
	}
	b = b.truth(fPolicyDropOn, p.DropOn)
	if a := p.Approval; a != nil {
		b, at = b.open(fPolicyApproval)
		b = b.integer(fApprovalPeople, int64(a.People))
		b = b.integer(fApprovalWithin, int64(a.Within)).close(at)
	}
	b = b.truth(fPolicyNoCaps, p.NoCaps)
	if p.SendAt != nil {
		b = b.zigzag(fPolicySendAt, int64(*p.SendAt))
	}
	if o := p.Once; o != nil {
		b, at = b.open(fPolicyOnce)
		b = b.text(fOnceBy, o.By)
		b = b.integer(fOnceIn, int64(o.In)).close(at)
	}
	for i := range p.RuleCaps {
		b = b.limit(fPolicyRuleCap, &p.RuleCaps[i])
	}
	b = b.limit(fPolicyBrake, p.Brake)
	b = b.limit(fPolicyShare, p.Share)
	return b.truth(fPolicyDropNoQuota, p.DropNoQuota)
}

func (b buffer) limit(n number, c *Cap) buffer {
	if c == nil {
		return b
	}
	b, at := b.open(n)
	b = b.integer(fCapN, int64(c.N))
	b = b.integer(fCapIn, int64(c.In))
	return b.text(fCapEach, c.Each).close(at)
}

func (b buffer) tag(n number, kind uint64) buffer { return binary.AppendUvarint(b, uint64(n)<<3|kind) }

// open begins a message within; close is told where it began.
func (b buffer) open(n number) (buffer, int) {
	b = append(b.tag(n, kindBytes), 0)
	return b, len(b)
}

// close writes the length before the message. Most have less than 128 bytes, which fit the byte that open has left.
func (b buffer) close(at int) buffer {
	size := uint64(len(b) - at)
	if size < 0x80 {
		b[at-1] = byte(size)
		return b
	}
	var room [binary.MaxVarintLen64]byte
	return slices.Replace(b, at-1, at, binary.AppendUvarint(room[:0], size)...)
}

// bytes appends a text, also an empty one.
func (b buffer) bytes(n number, s string) buffer {
	return append(binary.AppendUvarint(b.tag(n, kindBytes), uint64(len(s))), s...)
}

func (b buffer) text(n number, s string) buffer {
	if s == "" {
		return b
	}
	return b.bytes(n, s)
}

func (b buffer) texts(n number, list []string) buffer {
	for _, s := range list {
		b = b.bytes(n, s)
	}
	return b
}

func (b buffer) textMap(n number, m map[string]string) buffer {
	for _, k := range sorted(m) {
		var at int
		b, at = b.open(n)
		b = b.text(fEntryKey, k)
		b = b.text(fEntryText, m[k]).close(at)
	}
	return b
}

// zigzag appends a number, also zero.
func (b buffer) zigzag(n number, v int64) buffer {
	return binary.AppendVarint(b.tag(n, kindVarint), v)
}

func (b buffer) integer(n number, v int64) buffer {
	if v == 0 {
		return b
	}
	return b.zigzag(n, v)
}

func (b buffer) truth(n number, is bool) buffer {
	if !is {
		return b
	}
	return b.zigzag(n, 1)
}

// time appends seconds in field n and nanoseconds in the field after it; the zero time is left out.
func (b buffer) time(n number, t time.Time) buffer {
	if t.IsZero() {
		return b
	}
	return b.zigzag(n, t.Unix()).integer(n+1, int64(t.Nanosecond()))
}

func sorted[V any](m map[string]V) []string {
	if len(m) == 0 {
		return nil
	}
	return sortedInto(make([]string, 0, len(m)), m)
}

// sortedInto is sorted in room that the caller has.
func sortedInto[V any](keys []string, m map[string]V) []string {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
