package rongpush

import (
	"encoding/json"
	"fmt"

	"github.com/notifier/notifier/internal/rongcloud"
)

// SetTags replaces the whole tag set of a user; no tags clears it.
type SetTags struct {
	User string
	Tags []string
}

func (SetTags) Endpoint() rongcloud.Endpoint { return TagSet }
func (SetTags) Receivers() int               { return 1 }

func (r SetTags) Body() ([]byte, string, error) {
	tags, err := tagSet("tags", r.Tags)
	if err := first(validUserID("userId", r.User), err); err != nil {
		return nil, "", err
	}
	return jsonBody(struct {
		UserID string   `json:"userId"`
		Tags   []string `json:"tags"`
	}{r.User, tags})
}

// BatchSetTags replaces the tag sets of up to 1000 users by the same one.
type BatchSetTags struct {
	Users []string
	Tags  []string
}

func (BatchSetTags) Endpoint() rongcloud.Endpoint { return TagBatchSet }
func (r BatchSetTags) Receivers() int             { return len(unique(r.Users)) }

func (r BatchSetTags) Body() ([]byte, string, error) {
	users, err := userList("userIds", r.Users, MaxBatchUsers)
	if err != nil {
		return nil, "", err
	}
	tags, err := tagSet("tags", r.Tags)
	if err != nil {
		return nil, "", err
	}
	return jsonBody(struct {
		UserIDs []string `json:"userIds"`
		Tags    []string `json:"tags"`
	}{users, tags})
}

// GetTags reads the tag sets of up to 50 users.
type GetTags struct{ Users []string }

func (GetTags) Endpoint() rongcloud.Endpoint { return TagsGet }
func (r GetTags) Receivers() int             { return len(unique(r.Users)) }

func (r GetTags) Body() ([]byte, string, error) {
	users, err := userList("userIds", r.Users, MaxGetUsers)
	if err != nil {
		return nil, "", err
	}
	var f form
	for _, u := range users {
		f.add("userIds", u)
	}
	return f.body()
}

// Decode reads the answer: every asked user has an entry, sorted, [] for one without tags and for one that the vendor
// does not name.
func (r GetTags) Decode(answer []byte) (map[string][]string, error) {
	var a struct {
		Result map[string][]string `json:"result"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", TagsGet.Path, err)
	}
	if a.Result == nil {
		return nil, fmt.Errorf("read the answer of %s: no result", TagsGet.Path)
	}
	out := make(map[string][]string, len(r.Users))
	for _, u := range r.Users {
		out[u] = sorted(a.Result[u])
	}
	return out, nil
}
