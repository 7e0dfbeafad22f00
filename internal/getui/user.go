package getui

import (
	"net/http"
	"time"
)

// The endpoints about users.
var (
	BlackAdd    = Endpoint{Method: http.MethodPost, Name: "/user/black/cid/{cids}", Lane: LaneBlack, Repeatable: true}
	BlackRemove = Endpoint{Method: http.MethodDelete, Name: "/user/black/cid/{cids}", Lane: LaneBlack, Repeatable: true}
	UserStatus  = Endpoint{Method: http.MethodGet, Name: "/user/status/{cids}", Lane: LaneUser, Repeatable: true}
	UserBadge   = Endpoint{Method: http.MethodPost, Name: "/user/badge/cid/{cids}", Lane: LaneUser}
	UserCount   = Endpoint{Method: http.MethodPost, Name: "/user/count", Lane: LaneUser, Repeatable: true}
)

// Block keeps every push from up to 200 users.
type Block struct{ CIDs []string }

func (Block) Endpoint() Endpoint      { return BlackAdd }
func (r Block) Path() string          { return "/user/black/cid/" + segment(r.CIDs...) }
func (r Block) Body() ([]byte, error) { return nil, list("cid", r.CIDs, MaxBlack, ValidCID) }

// Unblock takes them off the black list.
type Unblock struct{ CIDs []string }

func (Unblock) Endpoint() Endpoint      { return BlackRemove }
func (r Unblock) Path() string          { return "/user/black/cid/" + segment(r.CIDs...) }
func (r Unblock) Body() ([]byte, error) { return nil, list("cid", r.CIDs, MaxBlack, ValidCID) }

// GetStatus asks who is online.
type GetStatus struct{ CIDs []string }

func (GetStatus) Endpoint() Endpoint      { return UserStatus }
func (r GetStatus) Path() string          { return "/user/status/" + segment(r.CIDs...) }
func (r GetStatus) Body() ([]byte, error) { return nil, list("cid", r.CIDs, MaxStatus, ValidCID) }

// Status is a user's; who is not in the answer is not known to the vendor.
type Status struct {
	Online bool
	Login  time.Time
}

func (r GetStatus) Decode(a *Answer) (map[string]Status, error) {
	var data map[string]struct {
		Login  number `json:"last_login_time"`
		Status string `json:"status"`
	}
	if err := decode(r, a, &data); err != nil {
		return nil, err
	}
	out := make(map[string]Status, len(data))
	for cid, s := range data {
		out[cid] = Status{s.Status == "online", time.UnixMilli(int64(s.Login))}
	}
	return out, nil
}

// SetBadge changes the number on the icon of iOS devices: "5" sets it, "+1" and "-1" change it, and so may not be repeated.
type SetBadge struct {
	CIDs  []string
	Badge string
}

func (r SetBadge) Endpoint() Endpoint {
	ep := UserBadge
	ep.Repeatable = r.Badge != "" && r.Badge[0] != '+' && r.Badge[0] != '-'
	return ep
}

func (r SetBadge) Path() string { return "/user/badge/cid/" + segment(r.CIDs...) }

func (r SetBadge) Body() ([]byte, error) {
	if r.Badge == "" {
		return nil, invalid("badge", "missing", "缺少")
	}
	if err := every(list("cid", r.CIDs, MaxBadge, ValidCID), badge(r.Badge)); err != nil {
		return nil, err
	}
	return encode(map[string]string{"badge": r.Badge})
}

// CountUsers tells how many users an audience has.
type CountUsers struct{ Conditions []Condition }

func (CountUsers) Endpoint() Endpoint { return UserCount }
func (CountUsers) Path() string       { return UserCount.Name }

func (r CountUsers) Body() ([]byte, error) {
	if err := conditions(r.Conditions); err != nil {
		return nil, err
	}
	return encode(map[string][]Condition{"tag": r.Conditions})
}

func (r CountUsers) Decode(a *Answer) (int, error) {
	var data struct {
		Count *number `json:"user_count"`
	}
	if err := decode(r, a, &data); err != nil {
		return 0, err
	}
	if data.Count == nil {
		return 0, unread(r, "no user_count")
	}
	return int(*data.Count), nil
}
