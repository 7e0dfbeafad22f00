package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
)

var badToken = &getuiRefusal{http.StatusUnauthorized, 10001, "token is invalid"}

// checkToken wants a living token of this app in the header, except for /auth.
func (c *getuiCall) checkToken() *getuiRefusal {
	if c.lane() == laneAuth {
		return nil
	}
	t := c.tokens[c.arrival.header.Get("token")]
	if t == nil || t.app != c.appID || c.now >= t.expires {
		return badToken
	}
	return nil
}

// auth hands out a token (section 2.1).
func (c *getuiCall) auth() (any, *getuiRefusal) {
	k := fieldCheck{}
	sign := k.text(c.body, "sign", 0, true)
	stamp := k.integer(c.body, "timestamp", 0, 1<<62, true)
	key := k.text(c.body, "appkey", 0, true)
	if k.refused != nil {
		return nil, k.refused
	}
	if off := c.now - stamp; max(off, -off) > c.knobs.AuthSkewMS {
		return nil, badParameter("timestamp is invalid")
	}
	if key != c.app.key {
		return nil, badParameter("appkey is invalid")
	}
	if sign != getuiSign(key, strconv.FormatInt(stamp, 10), c.app.secret) {
		refused := badParameter("sign is invalid")
		refused.code = c.knobs.AuthBadSignCode
		refused.http = getuiStatus(refused.code)
		return nil, refused
	}
	for text, t := range c.tokens {
		if t.app == c.appID && (c.knobs.SingleActiveToken || c.now >= t.expires) {
			delete(c.tokens, text)
		}
	}
	text, t := c.random(32), &getuiToken{c.appID, c.now + c.knobs.TokenTTLMS}
	c.tokens[text] = t
	c.executed = true
	c.recount()
	c.answered = map[string]any{"expire_time": c.time(t.expires), "token": "*"}
	return map[string]any{"expire_time": c.time(t.expires), "token": text}, nil
}

// countAuth charges an attempt, whatever comes of it.
func (c *getuiCall) countAuth() {
	c.spend(1)
	c.stats.AuthCalls++
	day := windowName{"auth", chinaDay}.at(c.now)
	c.stats.AuthCallsMaxDay = max(c.stats.AuthCallsMaxDay, c.app.used[day])
}

// dropToken needs no header (section 2.2).
func (c *getuiCall) dropToken() (any, *getuiRefusal) {
	t := c.tokens[c.params[0]]
	if t == nil || t.app != c.appID || c.now >= t.expires {
		return nil, badToken
	}
	delete(c.tokens, c.params[0])
	c.executed = true
	return nil, nil
}

// getuiSign is the plain digest in lower case of the three strings as sent.
func getuiSign(key, timestamp, secret string) string {
	sum := sha256.Sum256([]byte(key + timestamp + secret))
	return hex.EncodeToString(sum[:])
}

// time is a moment in an answer: text, unless a knob wants a number.
func (g *getui) time(ms int64) any {
	if g.knobs.NumericTimes {
		return ms
	}
	return strconv.FormatInt(ms, 10)
}
