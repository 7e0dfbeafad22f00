package getui

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// The endpoints of a user's own tags.
var (
	TagSet    = Endpoint{Method: http.MethodPost, Name: "/user/custom_tag/cid/{cid}", Lane: LaneTagSet, Repeatable: true}
	TagAdd    = Endpoint{Method: http.MethodPut, Name: "/user/custom_tag/batch/{tag}", Lane: LaneTagBatch, Repeatable: true}
	TagRemove = Endpoint{Method: http.MethodDelete, Name: "/user/custom_tag/batch/{tag}", Lane: LaneTagBatch, Repeatable: true}
	TagGet    = Endpoint{Method: http.MethodGet, Name: "/user/custom_tag/cid/{cid}", Lane: LaneTagGet, Repeatable: true}
)

// SetTags replaces all tags of a user, once a day: a second one the same day is refused with 30011, also when it is the repeat of one whose
// answer was lost, so read the tags before calling that a failure.
type SetTags struct {
	CID  string
	Tags []string
}

func (SetTags) Endpoint() Endpoint { return TagSet }
func (r SetTags) Path() string     { return "/user/custom_tag/cid/" + segment(r.CID) }

func (r SetTags) Body() ([]byte, error) {
	if err := every(ValidCID(r.CID), list("custom_tag", r.Tags, MaxTags, ValidTag)); err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(strings.Join(r.Tags, " ")); n > MaxTagsLength {
		return nil, invalid("custom_tag", "%d characters together; at most %d", "合计 %d 个字符；最多 %d 个", n, MaxTagsLength)
	}
	return encode(map[string][]string{"custom_tag": r.Tags})
}

// AddTag gives up to 1000 users one tag; the vendor does it some time later.
type AddTag struct {
	Tag  string
	CIDs []string
}

func (AddTag) Endpoint() Endpoint      { return TagAdd }
func (r AddTag) Path() string          { return "/user/custom_tag/batch/" + segment(r.Tag) }
func (r AddTag) Body() ([]byte, error) { return tagged(r.Tag, r.CIDs) }

// RemoveTag takes one tag from up to 1000 users.
type RemoveTag struct {
	Tag  string
	CIDs []string
}

func (RemoveTag) Endpoint() Endpoint      { return TagRemove }
func (r RemoveTag) Path() string          { return "/user/custom_tag/batch/" + segment(r.Tag) }
func (r RemoveTag) Body() ([]byte, error) { return tagged(r.Tag, r.CIDs) }

func tagged(tag string, cids []string) ([]byte, error) {
	if err := every(ValidTag(tag), list("cid", cids, MaxTagCIDs, ValidCID)); err != nil {
		return nil, err
	}
	return encode(map[string][]string{"cid": cids})
}

// Decode names the users from whom the tag was not taken.
func (r RemoveTag) Decode(a *Answer) (failed []string, err error) {
	var data map[string]string
	if err := decode(r, a, &data); err != nil {
		return nil, err
	}
	for _, cid := range r.CIDs {
		if data[cid] != "true" {
			failed = append(failed, cid)
		}
	}
	return failed, nil
}

// GetTags reads the tags of a user.
type GetTags struct{ CID string }

func (GetTags) Endpoint() Endpoint      { return TagGet }
func (r GetTags) Path() string          { return "/user/custom_tag/cid/" + segment(r.CID) }
func (r GetTags) Body() ([]byte, error) { return nil, ValidCID(r.CID) }

// Decode reads {cid:["tag1 tag2"]}: one text, the tags separated by blanks.
func (r GetTags) Decode(a *Answer) ([]string, error) {
	var data map[string][]string
	if err := decode(r, a, &data); err != nil {
		return nil, err
	}
	var out []string
	for _, s := range data[r.CID] {
		out = append(out, strings.Fields(s)...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
