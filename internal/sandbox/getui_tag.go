package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The tags of a device: at most 100 of at most 32 characters, 512 together.
const (
	maxTags      = 100
	maxTag       = 32
	maxTagsChars = 512
	maxTagCIDs   = 1000
)

// readTag refuses a blank within a tag, and one that is too long.
func readTag(k *fieldCheck, tag string) {
	if strings.ContainsFunc(tag, unicode.IsSpace) {
		k.fail("custom_tag is invalid")
	}
	if utf8.RuneCountInString(tag) > maxTag {
		k.refuse(&getuiRefusal{http.StatusForbidden, 30005, "tag is too long"})
	}
}

// fits is whether a device may have these tags.
func fits(tags []string) bool {
	chars := 0
	for _, t := range tags {
		chars += utf8.RuneCountInString(t)
	}
	return len(tags) <= maxTags && chars <= maxTagsChars
}

// setTags replaces the tags of a device, once a day.
func (c *getuiCall) setTags() (any, *getuiRefusal) {
	k := &fieldCheck{}
	tags := k.texts(c.body, "custom_tag", maxTags)
	for _, t := range tags {
		readTag(k, t)
	}
	if !fits(tags) {
		k.fail("custom_tag size over limit")
	}
	k.unique("custom_tag", tags)
	if k.refused != nil {
		return nil, k.refused
	}
	if refused := c.admit(false, 1); refused != nil {
		return nil, refused
	}
	u := c.app.users[c.params[0]]
	if u == nil {
		return nil, badTarget
	}
	c.charge(1)
	c.executed = true
	u.tags = tags
	return nil, nil
}

// tagged reads a batch call and returns its tag and the devices that are known.
func (c *getuiCall) tagged() (tag string, cids []string, refused *getuiRefusal) {
	k := &fieldCheck{}
	tag = c.params[0]
	readTag(k, tag)
	items, _ := c.body["cid"].([]any)
	c.countOversized(len(items), maxTagCIDs)
	cids = k.texts(c.body, "cid", maxTagCIDs)
	k.unique("cid", cids)
	if k.refused != nil {
		return "", nil, k.refused
	}
	if refused := c.admit(false, 1); refused != nil {
		return "", nil, refused
	}
	if !slices.ContainsFunc(cids, func(cid string) bool { return c.app.users[cid] != nil }) {
		return "", nil, badTarget
	}
	c.charge(1)
	c.executed = true
	return tag, cids, nil
}

// addTag gives many devices one tag. It answers before the vendor is done, so nobody
// is told of a device that has no room for it.
func (c *getuiCall) addTag() (any, *getuiRefusal) {
	tag, cids, refused := c.tagged()
	for _, cid := range cids {
		u := c.app.users[cid]
		if u == nil || slices.Contains(u.tags, tag) {
			continue
		}
		if more := append(slices.Clone(u.tags), tag); fits(more) {
			u.tags = more
		}
	}
	return nil, refused
}

// removeTag takes one tag from many devices and says of each whether it is one.
func (c *getuiCall) removeTag() (any, *getuiRefusal) {
	tag, cids, refused := c.tagged()
	if refused != nil {
		return nil, refused
	}
	data := map[string]string{}
	for _, cid := range cids {
		u := c.app.users[cid]
		if u == nil {
			data[cid] = "false"
			continue
		}
		data[cid] = "true"
		u.tags = slices.DeleteFunc(u.tags, func(t string) bool { return t == tag })
	}
	return data, nil
}

// getTags answers with one string, tags separated by a blank.
func (c *getuiCall) getTags() (any, *getuiRefusal) {
	if refused := c.admit(false, 1); refused != nil {
		return nil, refused
	}
	u := c.app.users[c.params[0]]
	if u == nil {
		return nil, badTarget
	}
	c.charge(1)
	c.executed = true
	return map[string][]string{u.cid: {strings.Join(u.tags, " ")}}, nil
}
