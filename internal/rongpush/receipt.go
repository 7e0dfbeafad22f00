package rongpush

import "encoding/json"

// Receipt is what the vendor gives back for a send. Nothing of it can be asked about later: ID finds the send in the
// console's statistics, the message UIDs are what a recall names. All may be absent.
type Receipt struct {
	ID          string
	MessageUID  string
	MessageUIDs map[string]string // user id -> UID
}

// ParseReceipt reads a successful answer. A field of another shape than expected counts as absent: the send is done,
// whatever its receipt looks like.
func ParseReceipt(answer []byte) Receipt {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(answer, &fields)
	var r Receipt
	_ = json.Unmarshal(fields["id"], &r.ID)
	_ = json.Unmarshal(fields["messageUID"], &r.MessageUID)
	var list []struct {
		UserID     string `json:"userId"`
		MessageUID string `json:"messageUID"`
	}
	if json.Unmarshal(fields["messageUIDs"], &list) == nil && len(list) > 0 {
		r.MessageUIDs = make(map[string]string, len(list))
		for _, m := range list {
			r.MessageUIDs[m.UserID] = m.MessageUID
		}
	}
	return r
}
