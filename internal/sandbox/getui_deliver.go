package sandbox

import "strings"

// deliveriesKept bounds the deliveries in memory; counts go on.
const deliveriesKept = 200_000

// Delivery is one message handed to one device, or kept for it.
type Delivery struct {
	AtMS      int64  `json:"at_ms"`
	App       string `json:"app"`
	Endpoint  string `json:"endpoint"` // route
	TaskID    string `json:"taskid"`
	RequestID string `json:"request_id,omitempty"`
	CID       string `json:"cid"`
	Channel   string `json:"channel"` // online, offline
	*Content
}

// Content is what a device gets, as far as it is looked at here.
type Content struct {
	Kind         string `json:"kind"` // notification, transmission, revoke
	Title        string `json:"title,omitempty"`
	Body         string `json:"body,omitempty"`
	Transmission string `json:"transmission,omitempty"`
	NotifyID     *int64 `json:"notify_id,omitempty"`
	CollapseID   string `json:"apns_collapse_id,omitempty"`
	Hash         string `json:"hash"` // of push_message and push_channel
}

type deliveryLog struct {
	kept   []Delivery // oldest first
	counts map[string]int
	bound  int
}

func newDeliveryLog(bound int) deliveryLog {
	return deliveryLog{counts: map[string]int{}, bound: bound}
}

func (l *deliveryLog) add(d Delivery) {
	l.counts[d.CID]++
	if len(l.kept) == l.bound {
		l.kept = l.kept[1:]
	}
	l.kept = append(l.kept, d)
}

// of are the kept deliveries to a device, oldest first, and how many there were.
func (l *deliveryLog) of(cid string) ([]Delivery, int) {
	out := []Delivery{}
	for _, d := range l.kept {
		if d.CID == cid {
			out = append(out, d)
		}
	}
	return out, l.counts[cid]
}

// The words for what became of a message at one device (section 4.6).
const (
	online  = "successed_online"
	offline = "successed_offline"
	ignored = "successed_ignore"
)

// inactiveAfter is how long after its last log-in a device is given up.
const inactiveAfter = 90 * chinaDay

// handOver gives a message to one device (section 13.3); channel is "" when nothing
// is delivered. The caller holds Server.mu.
func (g *getui) handOver(app *getuiApp, endpoint, task string, msg *message, u *getuiUser) (word, channel string) {
	now := g.clock.ms()
	switch {
	case u.black, !u.online && now-u.lastLogin > inactiveAfter:
		return ignored, ""
	case u.online:
		word, channel = online, "online"
	case msg.ttl == -1: // accepted, but kept nowhere
		return offline, ""
	default:
		word, channel = offline, "offline"
	}
	g.log.add(Delivery{
		AtMS: now, App: app.id, Endpoint: endpoint, TaskID: task, RequestID: msg.requestID,
		CID: u.cid, Channel: channel, Content: msg.content,
	})
	g.stats.Deliveries++
	if strings.HasPrefix(task, "RASL_") || msg.requestID == "" { // a list may be sent many times
		return word, channel
	}
	key := app.id + "/" + msg.requestID + "/" + u.cid
	if _, again := g.handed.get(key); again && g.knobs.DupMode != "leak" {
		g.stats.DuplicateDeliveries++
	}
	g.handed.put(key, struct{}{})
	return word, channel
}
