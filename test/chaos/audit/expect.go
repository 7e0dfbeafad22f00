package audit

import (
	"encoding/json"
	"slices"
	"time"
)

// Accounts at Getui, and their rules, that gifts go to in any run: by alias and by device, to many at once.
const (
	GiftAlias = "gift-alias"
	GiftCID   = "gift-cid"
	giftKeeps = 2 * time.Minute
)

// want is one intent that the input demands.
type want struct {
	id
	action string
	event  string
	expire time.Time // zero: not in a run
}

// row is what the newest events say of a user, by field.
type row struct{ city, level field }

type field struct {
	value string
	known bool
	at    int64
	place place
}

type place struct {
	partition int32
	offset    int64
}

type expectation struct {
	wants map[id]*want
	dead  map[string]bool // places of records that cannot be decoded
	users map[string]*row
	quiet int // events that match no rule
}

// expect says in Go what the files in rules/ say in YAML.
func expect(events []Record, shops []string) *expectation {
	x := &expectation{wants: map[id]*want{}, dead: map[string]bool{}, users: map[string]*row{}}
	for _, r := range events {
		var e event
		if json.Unmarshal(r.Value, &e) != nil {
			x.dead[r.place()] = true
			continue
		}
		before := len(x.wants)
		add := func(account, rule, target, action string) {
			i := id{r.place(), rule, target, account}
			x.wants[i] = &want{id: i, action: action, event: e.ID}
		}
		switch r.Topic {
		case "shop.profiles":
			add("main", "tags", e.User, "tags")
			add("second", "tags", e.User, "tags")
			x.profile(r, &e)
		case "shop.orders":
			if e.Amount > 100 {
				add("main", "order-thanks", e.User, "push")
			}
			if e.Amount > 250 {
				for _, u := range e.Team {
					add("main", "order-team", u, "push")
				}
			}
			if e.Gift == "yes" {
				for rule, to := range map[string][]string{GiftAlias: e.Team, GiftCID: e.Devices} {
					for _, u := range to {
						add(rule, rule, u, "push")
						x.wants[id{r.place(), rule, u, rule}].expire = time.UnixMilli(e.At).Add(giftKeeps)
					}
				}
			}
			if e.Amount > 180 {
				add("second", "order-big", e.User, "push")
			}
		case "shop.sales":
			if slices.Contains(shops, e.Shop) {
				add(e.Shop, "sale-"+e.Shop, "*", "broadcast")
			}
		}
		if len(x.wants) == before {
			x.quiet++
		}
	}
	return x
}

// profile folds an event in: per field the newest wins, among equals the later record.
func (x *expectation) profile(r Record, e *event) {
	u := x.users[e.User]
	if u == nil {
		u = &row{}
		x.users[e.User] = u
	}
	set := func(f *field, v *string) {
		if v == nil || f.known && (e.At < f.at || e.At == f.at && r.Offset < f.place.offset) {
			return
		}
		*f = field{*v, true, e.At, place{r.Partition, r.Offset}}
	}
	set(&u.city, e.City)
	set(&u.level, e.Level)
}

// tags is the set that a user must have in the end.
func (u *row) tags(account string) []string {
	var out []string
	if u == nil {
		return nil
	}
	if account == "main" {
		if u.city.known {
			out = append(out, "city_"+u.city.value)
		}
		if u.level.known && u.level.value == "vip" {
			out = append(out, "vip")
		}
	}
	if account == "second" && u.city.known {
		out = append(out, "in_"+u.city.value)
	}
	return out
}
