package demo

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Topics of the catalogue that ships.
const (
	profiles  = "user-profiles"
	orders    = "shop.orders"
	shipments = "shop.shipments"
	likes     = "community.likes"
	sales     = "shop.sales"
	notices   = "ops.notices"
	messages  = "app.messages"
	birthdays = "user.birthdays"
)

// Record is one record for a topic of the domain.
type Record struct {
	Topic, Key string
	Value      []byte
}

// Stream makes the events of an online shop: a function of seed, run and the times it is given. One event in ten matches a
// rule that ships, four in a thousand are broken, the rest match nothing.
//
// The events that match open with a script of len(opening) that shows everything once; from then on chance chooses.
type Stream struct {
	rnd    *rand.Rand
	run    string // in every event id, so that a second run on kept data makes no duplicates
	people []person
	n      int // records made
}

// actEvery: one event in ten matches.
const actEvery = 10

// brokenEvery is how seldom a record is broken.
const brokenEvery = 250

// NewStream makes the stream of a seed.
func NewStream(seed int64, run string) *Stream {
	rnd := rand.New(rand.NewPCG(uint64(seed), 0x6e6f7469666965)) // "notifie"
	return &Stream{rnd: rnd, run: run, people: population(rnd)}
}

// Next makes the next record, of an event that happens now.
func (s *Stream) Next(now time.Time) Record {
	n := s.n
	s.n++
	switch {
	case n%actEvery == actEvery/2:
		if k := n / actEvery; k < len(opening) {
			return opening[k](s, now)
		}
		return s.act(now)
	case n%brokenEvery == brokenEvery/2-1:
		return s.broken(n/brokenEvery, now)
	}
	return s.background(now)
}

// opening shows everything once: tags, a message, a push, a broadcast and more of them than slots, merged likes, a user whose
// profile changes quickly, a level-up. Eight of these fit into 2 seconds at the default rate.
var opening = []func(*Stream, time.Time) Record{
	func(s *Stream, now time.Time) Record { return s.moves(0, "北京", "vip", now) },
	func(s *Stream, now time.Time) Record { return s.moves(1, "上海", "normal", now) },
	func(s *Stream, now time.Time) Record { return s.message(&s.people[2], "service", now) },
	func(s *Stream, now time.Time) Record { return s.shipment(&s.people[3], true, now) },
	func(s *Stream, now time.Time) Record { return s.sale("北京", 300, now) },
	func(s *Stream, now time.Time) Record { return s.sale("北京", 800, now) },
	func(s *Stream, now time.Time) Record { return s.notice(true, now) },
	func(s *Stream, now time.Time) Record { return s.sale("上海", 500, now) },
	func(s *Stream, now time.Time) Record { return s.moves(4, "广州", "vip", now) },
	func(s *Stream, now time.Time) Record { return s.moves(4, "深圳", "vip", now) },
	func(s *Stream, now time.Time) Record { return s.moves(4, "杭州", "vip", now) },
	func(s *Stream, now time.Time) Record { return s.like(&s.people[5], &s.people[6], now) },
	func(s *Stream, now time.Time) Record { return s.like(&s.people[5], &s.people[7], now) },
	func(s *Stream, now time.Time) Record { return s.like(&s.people[5], &s.people[8], now) },
	func(s *Stream, now time.Time) Record { return s.sale("广州", 260, now) },
	func(s *Stream, now time.Time) Record { return s.order(&s.people[9], "svip", 81200, now) },
	func(s *Stream, now time.Time) Record { return s.sale("成都", 150, now) },
	func(s *Stream, now time.Time) Record { return s.moves(1, "上海", "vip", now) },
	func(s *Stream, now time.Time) Record { return s.sale("广州", 400, now) },
	func(s *Stream, now time.Time) Record { return s.birthday(&s.people[10], 20, now) },
}

// ShowsAll is how many records it takes until the opening is over: with fewer the demo cannot show everything.
const ShowsAll = actEvery * 20

// act is an event that matches a rule.
func (s *Stream) act(now time.Time) Record {
	p := &s.people[s.rnd.IntN(len(s.people))]
	switch x := s.rnd.IntN(100); {
	case x < 22: // a user moves or rises
		if s.rnd.IntN(3) == 0 {
			p.level = pick(s.rnd, levels)
		} else {
			p.city = pick(s.rnd, cities)
		}
		return s.profile(p, now)
	case x < 29: // saved without a change
		return s.profile(p, now)
	case x < 32: // arrives late, behind newer ones
		return s.profile(&s.people[4], now.Add(-time.Hour))
	case x < 50: // the popular are liked more often
		return s.like(&s.people[5+s.rnd.IntN(6)], p, now)
	case x < 66:
		return s.shipment(p, true, now)
	case x < 80:
		return s.order(p, pick(s.rnd, []string{"vip", "svip"}), 50100+s.rnd.IntN(300000), now)
	case x < 90:
		return s.message(p, "service", now)
	case x < 94:
		return s.birthday(p, 10*(1+s.rnd.IntN(5)), now)
	}
	return s.sale(pick(s.rnd, cities), 101+s.rnd.IntN(900), now)
}

// background is an event that matches nothing.
func (s *Stream) background(now time.Time) Record {
	p := &s.people[s.rnd.IntN(len(s.people))]
	switch x := s.rnd.IntN(100); {
	case x < 20: // of a type that the catalogue does not know
		return record(orders, p.id, map[string]any{"type": pick(s.rnd, []string{"order.created", "order.cancelled", "order.reviewed"}), "data": map[string]any{"order_id": s.id("ord"), "user_id": p.id, "paid_at": stamp(now)}})
	case x < 45:
		return s.order(p, "normal", 990+s.rnd.IntN(200000), now)
	case x < 58:
		return s.order(p, pick(s.rnd, []string{"vip", "svip"}), 990+s.rnd.IntN(49000), now)
	case x < 75: // packed, not sent yet
		return s.shipment(p, false, now)
	case x < 90:
		return s.message(p, "system", now)
	case x < 94:
		return s.sale(pick(s.rnd, cities), 1+s.rnd.IntN(100), now)
	case x < 97:
		return s.birthday(p, 0, now)
	}
	return s.notice(false, now)
}

// broken is a record that becomes a dead letter: cut off, without an id, with a time that is none.
func (s *Stream) broken(i int, now time.Time) Record {
	p := &s.people[s.rnd.IntN(len(s.people))]
	r := s.order(p, "vip", 66600, now)
	switch i % 3 {
	case 0:
		r.Value = r.Value[:len(r.Value)-20]
	case 1:
		r = record(shipments, p.id, map[string]any{"user_id": p.id, "sent_at": now.Unix(), "order_id": s.id("ord"), "tracking_no": "SF000"})
	case 2:
		r = record(messages, p.id, map[string]any{"message_id": s.id("m"), "at": "昨天", "to_user": p.id, "kind": "service", "text": "在吗"})
	}
	return r
}

// moves sets what the opening says of one of its cast.
func (s *Stream) moves(i int, city, level string, now time.Time) Record {
	p := &s.people[i]
	p.city, p.level = city, level
	return s.profile(p, now)
}

func (s *Stream) profile(p *person, now time.Time) Record {
	return record(profiles, p.id, map[string]any{"event_id": s.id("pc"), "ts": now.UnixMilli(), "user_id": p.id,
		"profile": map[string]any{"city": p.city, "vip_level": p.level, "blocked": p.blocked, "push_ok": true}})
}

func (s *Stream) order(p *person, level string, fen int, now time.Time) Record {
	return record(orders, p.id, map[string]any{"type": "order.paid", "data": map[string]any{"order_id": s.id("ord"), "user_id": p.id, "paid_at": stamp(now),
		"amount_fen": fen, "receiver": map[string]any{"city": p.city}, "user": map[string]any{"level": level, "nickname": p.name}}})
}

func (s *Stream) shipment(p *person, sent bool, now time.Time) Record {
	v := map[string]any{"shipment_id": s.id("s"), "sent_at": now.Unix(), "user_id": p.id, "order_id": s.id("ord"), "carrier": pick(s.rnd, carriers)}
	if sent {
		v["tracking_no"] = fmt.Sprintf("SF%010d", s.rnd.Int64N(1e10))
	}
	return record(shipments, p.id, v)
}

// like is of the author's one post, so that likes of the same moment merge.
func (s *Stream) like(author, by *person, now time.Time) Record {
	post := int(author.id[len(author.id)-1]) % len(posts)
	return record(likes, author.id, map[string]any{"like_id": s.id("l"), "at": now.UnixMilli(), "author_id": author.id, "post_id": "p-" + author.id, "post_title": posts[post],
		"liker": map[string]any{"id": by.id, "nickname": by.name}})
}

func (s *Stream) sale(city string, stock int, now time.Time) Record {
	return record(sales, city, map[string]any{"sale_id": s.id("sale"), "opened_at": stamp(now), "city": city, "product": map[string]any{"name": pick(s.rnd, products)}, "stock": stock})
}

func (s *Stream) notice(urgent bool, now time.Time) Record {
	v := map[string]any{"notice_id": s.id("n"), "at": stamp(now), "severity": "normal", "title": "新品上架", "text": "本周新品已经上架，欢迎选购。"}
	if urgent {
		v["severity"], v["title"], v["text"] = "urgent", "今晚停服维护", "今晚 23:00 到 24:00 停服维护，期间无法下单。"
	}
	return record(notices, "", v)
}

func (s *Stream) message(p *person, kind string, now time.Time) Record {
	return record(messages, p.id, map[string]any{"message_id": s.id("m"), "at": now.UnixMilli(), "to_user": p.id, "kind": kind, "text": pick(s.rnd, replies),
		"from": map[string]any{"id": "agent-1", "name": pick(s.rnd, agents)}})
}

func (s *Stream) birthday(p *person, coupon int, now time.Time) Record {
	v := map[string]any{"id": s.id("b"), "at": stamp(now), "user_id": p.id, "nickname": p.name}
	if coupon > 0 {
		v["coupon_yuan"] = coupon
	}
	return record(birthdays, p.id, v)
}

func (s *Stream) id(kind string) string { return fmt.Sprintf("%s-%s-%d", kind, s.run, s.n) }

func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

func record(topic, key string, v map[string]any) Record {
	b, err := json.Marshal(v)
	if err != nil { // maps of strings, numbers and bools
		panic("encode a demo event: " + err.Error())
	}
	return Record{Topic: topic, Key: key, Value: b}
}
