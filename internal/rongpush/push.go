package rongpush

import "github.com/notifier/notifier/internal/rongcloud"

// PushUsers shows a notification to up to 100 named users; nothing is stored, devices unseen for 30 days are left out.
type PushUsers struct {
	Users        []string
	Notification Notification
}

func (PushUsers) Endpoint() rongcloud.Endpoint { return PushUser }
func (r PushUsers) Receivers() int             { return len(unique(r.Users)) }

func (r PushUsers) Body() ([]byte, string, error) {
	users, err := userList("userIds", r.Users, MaxPushUsers)
	if err != nil {
		return nil, "", err
	}
	n, err := r.Notification.user()
	if err != nil {
		return nil, "", err
	}
	return jsonBody(struct {
		UserIDs      []string          `json:"userIds"`
		Notification *notificationWire `json:"notification"`
	}{users, n})
}

// Broadcast is /push.json: a notification for an audience, or with Message a system message and its notification.
// Every call takes one of the App Key's slots.
type Broadcast struct {
	Audience      Audience
	AllowEveryone bool     // the account allows audiences as wide as everybody
	Platforms     []string // required unless the audience is Users, for whom the vendor ignores it
	Notification  Notification

	From    string   // sender of Message: set exactly when Message is
	Message *Message // nil: push only
}

func (Broadcast) Endpoint() rongcloud.Endpoint { return Push }

func (r Broadcast) Receivers() int {
	if u, ok := r.Audience.(Users); ok {
		return len(unique(u))
	}
	return 0
}

func (r Broadcast) Body() ([]byte, string, error) {
	if f, ok := r.Audience.(Filter); ok && len(f.NoneOf) > 0 {
		return nil, "", invalid("audience", "%s cannot leave users out; %s can", Push.Path, PushCustom.Path)
	}
	audience, err := newAudience(r.Audience, r.AllowEveryone)
	if err != nil {
		return nil, "", err
	}
	_, named := r.Audience.(Users)
	platforms, err := platformList(r.Platforms, !named)
	if err != nil {
		return nil, "", err
	}
	n, err := r.Notification.push()
	if err != nil {
		return nil, "", err
	}
	type message struct {
		Content              string `json:"content"`
		ObjectName           string `json:"objectName"`
		DisableUpdateLastMsg *bool  `json:"disableUpdateLastMsg,omitempty"`
	}
	var m *message
	switch {
	case r.Message == nil && r.From != "":
		return nil, "", invalid("fromuserid", "given without a message")
	case r.Message != nil:
		if err := every(validUserID("fromuserid", r.From), r.Message.validate()); err != nil {
			return nil, "", err
		}
		m = &message{r.Message.Content, r.Message.Type, r.Message.DisableUpdateLastMsg}
	}
	return jsonBody(struct {
		Platform     []string          `json:"platform,omitempty"`
		FromUserID   string            `json:"fromuserid,omitempty"`
		Audience     audienceWire      `json:"audience"`
		Message      *message          `json:"message,omitempty"`
		Notification *notificationWire `json:"notification"`
	}{platforms, r.From, audience, m, n})
}

// CustomPush is /push/custom.json, the vendor's Push Plus, a product of its own with its own channel: a notification for
// an audience, which may leave users out. It takes none of the App Key's slots.
type CustomPush struct {
	AllowPushPlus bool // the account has the product (services.push_plus)
	Audience      Audience
	AllowEveryone bool     // the account allows audiences as wide as everybody
	Platforms     []string // required unless the audience is Users
	Notification  Notification
}

func (CustomPush) Endpoint() rongcloud.Endpoint { return PushCustom }
func (r CustomPush) Receivers() int             { return Broadcast{Audience: r.Audience}.Receivers() }

func (r CustomPush) Body() ([]byte, string, error) {
	if !r.AllowPushPlus {
		return nil, "", invalid(PushCustom.Path, "the account must have it (services.push_plus: true)")
	}
	audience, err := newAudience(r.Audience, r.AllowEveryone)
	if err != nil {
		return nil, "", err
	}
	_, named := r.Audience.(Users)
	platforms, err := platformList(r.Platforms, !named)
	if err != nil {
		return nil, "", err
	}
	n, err := r.Notification.push()
	if err != nil {
		return nil, "", err
	}
	return jsonBody(struct {
		Platform     []string          `json:"platform,omitempty"`
		Audience     audienceWire      `json:"audience"`
		Notification *notificationWire `json:"notification"`
	}{platforms, audience, n})
}
