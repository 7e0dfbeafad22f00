package getui

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// IDs are what makes a repeat harmless: the vendor drops a second RequestID, a device replaces what has the same NotifyID or CollapseID.
type IDs struct {
	RequestID  string // 32 characters
	NotifyID   int    // 31 bits
	CollapseID string // apns-collapse-id
}

// IDsOf derives them from the app and what the push is for, the id of an intent: stable over restarts and repeated reading, different
// for each user and each event. Never from a text: the vendor would drop the second of two equal reminders.
func IDsOf(appID, intent string) IDs {
	sum := sha256.Sum256([]byte(appID + "|" + intent))
	id := hex.EncodeToString(sum[:])[:32]
	return IDs{RequestID: id, NotifyID: int(binary.BigEndian.Uint32(sum[:4]) >> 1), CollapseID: id}
}
