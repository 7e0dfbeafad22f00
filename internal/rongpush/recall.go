package rongpush

import (
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/rongcloud"
)

// RecallBroadcast is the endpoint of Recall. It has slots of its own, apart from the broadcasts', and as few.
var RecallBroadcast = rongcloud.Endpoint{Path: "/message/broadcast/recall.json", Fresh: true}

// Recall takes a message broadcast back: one that Broadcast with a message or MessageBroadcast sent. There is none for a push
// without a message, and none for OnlineBroadcast.
type Recall struct {
	From       string // the sender of the message
	MessageUID string // of its Receipt
	SentAt     time.Time
}

func (Recall) Endpoint() rongcloud.Endpoint { return RecallBroadcast }
func (Recall) Receivers() int               { return 0 }

func (r Recall) Body() ([]byte, string, error) {
	if err := first(validUserID("fromUserId", r.From), text("messageUID", r.MessageUID, maxUIDUnits)); err != nil {
		return nil, "", err
	}
	switch {
	case r.MessageUID == "":
		return nil, "", invalid("messageUID", "is empty")
	case r.SentAt.UnixMilli() <= 0:
		return nil, "", invalid("sentTime", "is not known")
	}
	var f form
	f.add("fromUserId", r.From)
	f.add("messageUID", r.MessageUID)
	f.add("sentTime", strconv.FormatInt(r.SentAt.UnixMilli(), 10)) // optional on one of the vendor's two pages, so always sent
	return f.body()
}

// maxUIDUnits bounds what is taken for a messageUID.
const maxUIDUnits = 64
