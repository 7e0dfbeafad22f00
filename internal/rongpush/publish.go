package rongpush

import (
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/rongcloud"
)

// MessageBroadcast is /message/broadcast.json: a message to everybody, also to those who register within seven days.
// It shares the slots of Broadcast.
type MessageBroadcast struct {
	Intent           intent.ID // for msgRandom; "": none is sent
	From             string
	AllowEveryone    bool // the account allows audiences as wide as everybody
	Message          Message
	PushContent      string // for types without a default push it decides whether there is a push
	PushData         string
	ContentAvailable *int
	PushExt          *PushExt
}

func (MessageBroadcast) Endpoint() rongcloud.Endpoint { return BroadcastMessage }
func (MessageBroadcast) Receivers() int               { return 0 }

func (r MessageBroadcast) Body() ([]byte, string, error) {
	if !r.AllowEveryone {
		return nil, "", everyoneRefused(BroadcastMessage.Path)
	}
	var f form
	if err := publish(&f, r.From, nil, r.Message); err != nil {
		return nil, "", err
	}
	if err := pushFields(&f, r.PushContent, r.PushData, r.ContentAvailable, r.PushExt); err != nil {
		return nil, "", err
	}
	f.boolean("disableUpdateLastMsg", r.Message.DisableUpdateLastMsg)
	f.opt("msgRandom", msgRandom(r.Intent))
	return f.body()
}

// OnlineBroadcast is /message/online/broadcast.json: a message to whoever is online now or within ten minutes. There
// is no push with it.
type OnlineBroadcast struct {
	Intent        intent.ID
	From          string
	AllowEveryone bool
	Message       Message
}

func (OnlineBroadcast) Endpoint() rongcloud.Endpoint { return OnlineMessage }
func (OnlineBroadcast) Receivers() int               { return 0 }

func (r OnlineBroadcast) Body() ([]byte, string, error) {
	if !r.AllowEveryone {
		return nil, "", everyoneRefused(OnlineMessage.Path)
	}
	var f form
	if err := publish(&f, r.From, nil, r.Message); err != nil {
		return nil, "", err
	}
	f.boolean("disableUpdateLastMsg", r.Message.DisableUpdateLastMsg)
	f.opt("msgRandom", msgRandom(r.Intent))
	return f.body()
}

// SystemMessage is /message/system/publish.json: a message in the system conversation of up to 100 named users.
type SystemMessage struct {
	Intent           intent.ID
	From             string
	Users            []string
	Message          Message
	PushContent      string
	PushData         string
	IsPersisted      *int // nil is the vendor's 1
	IsCounted        *int
	Count            *int // iOS badge; the vendor obeys it only with one receiver
	ContentAvailable *int
	DisablePush      *bool
	PushExt          *PushExt
}

func (SystemMessage) Endpoint() rongcloud.Endpoint { return SystemPublish }
func (r SystemMessage) Receivers() int             { return len(unique(r.Users)) }

func (r SystemMessage) Body() ([]byte, string, error) {
	users, err := userList("toUserId", r.Users, MaxSystemUsers)
	if err != nil {
		return nil, "", err
	}
	var f form
	if err := publish(&f, r.From, users, r.Message); err != nil {
		return nil, "", err
	}
	if err := pushFields(&f, r.PushContent, r.PushData, r.ContentAvailable, r.PushExt); err != nil {
		return nil, "", err
	}
	if err := every(zeroOne("isPersisted", r.IsPersisted), zeroOne("isCounted", r.IsCounted)); err != nil {
		return nil, "", err
	}
	if c := r.Count; c != nil && (*c < 0 || *c > MaxBadge || len(users) > 1) {
		return nil, "", invalid("count", "%d for %d users; want 0 to %d for one user", *c, len(users), MaxBadge)
	}
	f.number("isPersisted", r.IsPersisted)
	f.number("isCounted", r.IsCounted)
	f.number("count", r.Count)
	f.boolean("disablePush", r.DisablePush)
	f.boolean("disableUpdateLastMsg", r.Message.DisableUpdateLastMsg)
	f.opt("msgRandom", msgRandom(r.Intent))
	return f.body()
}

// publish writes what every message form begins with.
func publish(f *form, from string, users []string, m Message) error {
	if err := every(validUserID("fromUserId", from), m.validate()); err != nil {
		return err
	}
	f.add("fromUserId", from)
	for _, u := range users {
		f.add("toUserId", u)
	}
	f.add("objectName", m.Type)
	f.add("content", m.Content)
	return nil
}

// pushFields writes the push that goes with a message.
func pushFields(f *form, content, data string, contentAvailable *int, ext *PushExt) error {
	if err := every(text("pushContent", content, MaxText), text("pushData", data, maxPushDataUnits), zeroOne("contentAvailable", contentAvailable)); err != nil {
		return err
	}
	f.opt("pushContent", content)
	f.opt("pushData", data)
	f.number("contentAvailable", contentAvailable)
	if ext == nil {
		return nil
	}
	if ext.TemplateID != "" && content != "" {
		return refuse("pushExt.templateId", "has no effect beside pushContent", "有 pushContent 时不起作用")
	}
	s, err := ext.encode()
	if err != nil {
		return err
	}
	f.opt("pushExt", s)
	return nil
}
