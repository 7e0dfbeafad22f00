package sandbox

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"
)

// getui is what Getui knows: everything of it that a reset throws away. Server.mu
// guards it.
type getui struct {
	clock  clock
	knobs  Knobs
	apps   map[string]*getuiApp // by appId
	tokens map[string]*getuiToken
	due    []*getuiTask // scheduled and neither executed nor removed
	log    deliveryLog
	handed *recent[string, struct{}] // appId/request_id/cid
	stats  GetuiStats
	ids    *rand.Rand
}

type getuiApp struct {
	id, key, secret string

	users   map[string]*getuiUser // by cid
	aliases map[string][]string   // alias -> cids in the order of binding
	tasks   *recent[string, *getuiTask]
	seen    *recent[string, seenID] // by request_id
	calls   *recent[string, int]    // by X-Request-ID up to its last "-"
	used    windows
	closed  map[windowName]int64 // quotas that refused a call, until when
}

// getuiUser is one device.
type getuiUser struct {
	cid       string
	online    bool
	phone     string // android, ios
	region    string // a code; "": nobody knows
	portrait  []string
	alias     string
	lastLogin int64 // milliseconds
	black     bool
	tags      []string
}

type getuiToken struct {
	app     string // appId
	expires int64
}

// seenID is a request_id that was executed.
type seenID struct {
	at       int64
	hash     uint64 // of the message
	taskID   string
	statuses map[string]string // by cid; nil for what has none
}

// The default world is that of the vendor's cases: two apps, three tokens, five
// users of note and 2000 more. Times are relative to the start of the clock.
var (
	defaultGetuiApps = []App{
		{Vendor: vendorGetui, ID: "AppIdNotifierTest00001", Key: "ak-notifier-test-0001", Secret: "ms-notifier-test-0001"},
		{Vendor: vendorGetui, ID: "OtherAppId000000000001", Key: "ak-other-0000000000001", Secret: "ms-other-0000000000001"},
	}
	defaultTokens = map[string]getuiToken{
		"tok-valid":     {defaultGetuiApps[0].ID, chinaDay},
		"tok-expired":   {defaultGetuiApps[0].ID, -1},
		"tok-other-app": {defaultGetuiApps[1].ID, chinaDay},
	}
	defaultUsers = []getuiUser{
		{cid: "aadaf59782dcba2ca6083e4a47e895f1", online: true, phone: "android", alias: "user_1001", lastLogin: -second},
		{cid: "aadaf59782dcba2ca6083e4a47e895f2", phone: "android", alias: "user_1002", lastLogin: -chinaDay},
		{cid: "aadaf59782dcba2ca6083e4a47e895f3", phone: "ios", lastLogin: -100 * chinaDay},
		{cid: "aadaf59782dcba2ca6083e4a47e895f4", online: true, phone: "ios", lastLogin: -second, black: true},
		{cid: "aadaf59782dcba2ca6083e4a47e895f5", phone: "ios", alias: "user_1001", lastLogin: -second},
	}
	bulkUsers = 2000
	bulkUser  = getuiUser{cid: "bulk-cid-%04d", phone: "android", lastLogin: -second}
)

// newGetui is a fresh world. Without apps it is that of the vendor's cases, where
// the first app has the users; each given app has the same users for itself.
func newGetui(knobs Knobs, c clock, apps []App, seed int64) *getui {
	g := &getui{
		clock: c, knobs: knobs,
		apps: map[string]*getuiApp{}, tokens: map[string]*getuiToken{}, log: newDeliveryLog(deliveriesKept), handed: newRecent[string, struct{}](remembered),
		ids: rand.New(rand.NewPCG(uint64(seed), 3)),
	}
	peopled := len(apps)
	now := c.ms()
	if apps == nil {
		apps, peopled = defaultGetuiApps, 1
		for text, t := range defaultTokens {
			g.tokens[text] = &getuiToken{t.app, now + t.expires}
		}
	}
	for i, a := range apps {
		app := &getuiApp{
			id: a.ID, key: a.Key, secret: a.Secret,
			users: map[string]*getuiUser{}, aliases: map[string][]string{},
			tasks: newRecent[string, *getuiTask](remembered),
			seen:  newRecent[string, seenID](remembered),
			calls: newRecent[string, int](remembered),
			used:  windows{}, closed: map[windowName]int64{},
		}
		g.apps[a.ID] = app
		if i < peopled {
			app.people(now)
		}
	}
	return g
}

// people gives the app its users.
func (app *getuiApp) people(now int64) {
	add := func(u getuiUser) {
		u.lastLogin += now
		app.users[u.cid] = &u
		if u.alias != "" {
			app.aliases[u.alias] = append(app.aliases[u.alias], u.cid)
		}
	}
	for _, u := range defaultUsers {
		add(u)
	}
	for i := range bulkUsers {
		u := bulkUser
		u.cid = fmt.Sprintf(bulkUser.cid, i)
		add(u)
	}
}

// random is n bytes in hexadecimal.
func (g *getui) random(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.ids.Uint32())
	}
	return hex.EncodeToString(b)
}

// china is where the vendor's days turn; it has no summer time.
var china = time.FixedZone("UTC+8", 8*3600)

// newTaskID is an id with the prefix RASS (single), RASL (list) or RASA (app).
func (g *getui) newTaskID(prefix string) string {
	return prefix + "_" + time.UnixMilli(g.clock.ms()).In(china).Format("0102") + "_" + g.random(16)
}
