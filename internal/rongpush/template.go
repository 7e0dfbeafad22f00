package rongpush

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rongcloud"
)

// TemplateMessage is /message/system/publish_template.json: one message with holes for up to 100 named users, each with
// values of their own. A hole is {name}, in the content and in the push texts.
type TemplateMessage struct {
	Intent           intent.ID
	From             string
	To               []TemplateReceiver
	Message          Message
	ContentAvailable *int
	DisablePush      *bool
	PushExt          *PushExt // the same for all
}

// TemplateReceiver is one user with what stands in the holes; all receivers have values for the same names.
type TemplateReceiver struct {
	User        string
	Values      map[string]string // by name, without the braces
	PushContent string
	PushData    string
}

func (TemplateMessage) Endpoint() rongcloud.Endpoint { return SystemTemplate }
func (r TemplateMessage) Receivers() int             { return len(r.To) }

// templateWire is the body; values, pushContent, pushData and pushExt stand one to one beside toUserId.
type templateWire struct {
	FromUserID           string              `json:"fromUserId"`
	ToUserID             []string            `json:"toUserId"`
	ObjectName           string              `json:"objectName"`
	Content              string              `json:"content"`
	Values               []map[string]string `json:"values"`
	PushContent          []string            `json:"pushContent"`
	PushData             []string            `json:"pushData,omitempty"`
	PushExt              []string            `json:"pushExt,omitempty"`
	ContentAvailable     *int                `json:"contentAvailable,omitempty"`
	DisablePush          *bool               `json:"disablePush,omitempty"`
	DisableUpdateLastMsg *bool               `json:"disableUpdateLastMsg,omitempty"`
	MsgRandom            int64               `json:"msgRandom,omitempty"`
}

// Body fills the push texts here and leaves the content's holes to the vendor: it replaces plain text in both by one
// list of values, and what must be escaped inside JSON must not be in a push text.
func (r TemplateMessage) Body() ([]byte, string, error) {
	w := templateWire{FromUserID: r.From, ObjectName: r.Message.Type, Content: r.Message.Content,
		ContentAvailable: r.ContentAvailable, DisablePush: r.DisablePush, DisableUpdateLastMsg: r.Message.DisableUpdateLastMsg}
	if err := first(validUserID("fromUserId", r.From), validType(r.Message.Type), zeroOne("contentAvailable", r.ContentAvailable)); err != nil {
		return nil, "", err
	}
	for _, to := range r.To {
		w.ToUserID = append(w.ToUserID, to.User)
	}
	users, err := userList("toUserId", w.ToUserID, MaxSystemUsers)
	switch {
	case err != nil:
		return nil, "", err
	case len(users) < len(r.To):
		return nil, "", invalid("toUserId", "a user stands in it twice, with values of which one would win")
	}
	data := slices.ContainsFunc(r.To, func(to TemplateReceiver) bool { return to.PushData != "" })
	for _, to := range r.To {
		values, err := r.values(to)
		if err != nil {
			return nil, "", err
		}
		push := fill(to.PushContent, to.Values, false)
		if err := first(text("pushContent", push, MaxText), text("pushData", to.PushData, maxPushDataUnits), noHole("pushContent", push, to.Values),
			noHole("pushData", to.PushData, to.Values)); err != nil {
			return nil, "", err
		}
		w.Values, w.PushContent = append(w.Values, values), append(w.PushContent, push)
		if data {
			w.PushData = append(w.PushData, to.PushData)
		}
	}
	if r.PushExt != nil {
		s, err := r.PushExt.encode()
		if err != nil {
			return nil, "", err
		}
		if s != "" {
			w.PushExt = slices.Repeat([]string{s}, len(r.To))
		}
	}
	if r.Intent != "" {
		w.MsgRandom = MsgRandom(r.Intent)
	}
	return jsonBody(w)
}

// values gives a receiver's holes as the vendor names them, braces included, and checks the message that comes of them.
func (r TemplateMessage) values(to TemplateReceiver) (map[string]string, error) {
	names := slices.Sorted(maps.Keys(to.Values))
	if !slices.Equal(names, slices.Sorted(maps.Keys(r.To[0].Values))) {
		return nil, invalid("values", "user %s has other names than the first one", to.User)
	}
	escape := json.Valid([]byte(r.Message.Content))
	out := make(map[string]string, len(names))
	for _, k := range names {
		if k == "" || strings.ContainsAny(k, "{}\"\\") {
			return nil, invalid("values", "%q cannot be the name of a hole", k)
		}
		if err := first(text("values."+k, to.Values[k], MaxContentBytes), noHole("values."+k, to.Values[k], to.Values)); err != nil {
			return nil, err
		}
		out["{"+k+"}"] = to.Values[k]
		if escape {
			out["{"+k+"}"] = inString(to.Values[k])
		}
	}
	filled := r.Message
	filled.Content = fill(r.Message.Content, to.Values, escape)
	return out, first(filled.validate())
}

// fill replaces the holes of a text.
func fill(s string, values map[string]string, escape bool) string {
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		v := values[k]
		if escape {
			v = inString(v)
		}
		pairs = append(pairs, "{"+k+"}", v)
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// noHole refuses a finished text that looks as if it had a hole: the vendor would fill it.
func noHole(field, s string, values map[string]string) error {
	for k := range values {
		if strings.Contains(s, "{"+k+"}") {
			return invalid(field, "holds {%s}, which would be replaced once more", k)
		}
	}
	return nil
}

// inString is a text as it stands between the quotation marks of a JSON string: whether the vendor escapes is not said.
func inString(s string) string {
	b, err := compactJSON(s)
	if err != nil {
		return s
	}
	return string(b[1 : len(b)-1])
}
