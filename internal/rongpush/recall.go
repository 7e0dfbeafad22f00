package rongpush

import (
	"strconv"
	"time"

	"github.com/notifier/notifier/internal/rongcloud"
)

// RecallBroadcast is /message/broadcast/recall.json: it takes back a message that MessageBroadcast, or Broadcast with a
// Message, sent. A notification without a message and a message to those online cannot be taken back. It has slots of
// its own, as few as a broadcast's.
type RecallBroadcast struct {
	From                 string    // the sender of the message
	MessageUID           string    // of the send's Receipt
	SentTime             time.Time // of the send; the vendor's pages differ on whether it must be there, so it always is
	IsAdmin              *int      // 1: as an administrator
	IsDelete             *int      // 1: the receivers' clients remove it instead of showing that it was recalled
	Extra                string
	DisableUpdateLastMsg *bool
}

func (RecallBroadcast) Endpoint() rongcloud.Endpoint { return BroadcastRecall }
func (RecallBroadcast) Receivers() int               { return 0 }

func (r RecallBroadcast) Body() ([]byte, string, error) {
	if r.MessageUID == "" {
		return nil, "", invalid("messageUID", "missing")
	}
	sent := r.SentTime.UnixMilli()
	if r.SentTime.IsZero() || sent <= 0 {
		return nil, "", invalid("sentTime", "missing")
	}
	if err := first(validUserID("fromUserId", r.From), text("messageUID", r.MessageUID, maxShortBytes), zeroOne("isAdmin", r.IsAdmin),
		zeroOne("isDelete", r.IsDelete), text("extra", r.Extra, MaxContentBytes)); err != nil {
		return nil, "", err
	}
	var f form
	f.add("fromUserId", r.From)
	f.add("messageUID", r.MessageUID)
	f.add("sentTime", strconv.FormatInt(sent, 10))
	f.number("isAdmin", r.IsAdmin)
	f.number("isDelete", r.IsDelete)
	f.opt("extra", r.Extra)
	f.boolean("disableUpdateLastMsg", r.DisableUpdateLastMsg)
	return f.body()
}
