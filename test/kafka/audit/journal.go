package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// call is one arrival at the vendor: a line of the sandbox's --log file.
type call struct {
	Seq       int64           `json:"seq"`
	AtMS      int64           `json:"at_ms"`
	App       string          `json:"app"`
	Path      string          `json:"path"`
	Raw       json.RawMessage `json:"body"`
	Executed  bool            `json:"executed"`
	Fault     string          `json:"fault"`
	Effective struct {
		Mode   string   `json:"mode"`
		Users  []string `json:"users"`
		TagAnd []string `json:"tag_and"`
		TagOr  []string `json:"tag_or"`
		Pkg    *string  `json:"package"`
	} `json:"effective"`

	body any
}

// readJournal reads the log file.
func readJournal(r io.Reader) ([]call, error) {
	var out []call
	in := bufio.NewScanner(r)
	in.Buffer(nil, 8<<20)
	for in.Scan() {
		var c call
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("sandbox journal, line %d: %w", len(out)+1, err)
		}
		if err := json.Unmarshal(c.Raw, &c.body); err != nil {
			c.body = nil
		}
		out = append(out, c)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("sandbox journal: %w", err)
	}
	return out, nil
}

// texts gives a body's value at a path as a list: a text, or an array of texts (a repeated form key).
func (c *call) texts(path string) []string {
	v, _ := look(c.body, path)
	switch x := v.(type) {
	case string:
		return []string{x}
	case []any:
		var out []string
		for _, i := range x {
			if s, ok := i.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func (c *call) text(path string) string {
	if t := c.texts(path); len(t) > 0 {
		return t[0]
	}
	return ""
}

// push is what a call said to whom; ok is false for calls that send nothing.
type push struct {
	users       []string // nil: an audience
	title, body string
}

// push reads a call of the send endpoints (rongcloud.md E4, E5, E7, E8).
func (c *call) push() (p push, ok bool) {
	switch c.Path {
	case "/push/user.json":
		return push{c.texts("userIds"), c.text("notification.title"), c.text("notification.pushContent")}, true
	case "/message/system/publish.json":
		users := c.texts("toUserId")
		if len(users) == 0 {
			users = c.Effective.Users
		}
		return push{users: users, body: c.text("pushContent")}, true
	case "/push.json":
		return push{title: c.text("notification.title"), body: c.text("notification.alert")}, true
	case "/message/broadcast.json":
		return push{body: c.text("pushContent")}, true
	}
	return push{}, false
}

// tagged gives the users and the new set of a tag call.
func (c *call) tagged() (users, tags []string, ok bool) {
	switch c.Path {
	case "/user/tag/set.json":
		return c.texts("userId"), c.texts("tags"), true
	case "/user/tag/batch/set.json":
		return c.texts("userIds"), c.texts("tags"), true
	}
	return nil, nil, false
}

// scarce says whether a call draws on the bucket of 2 an hour and 3 a day.
func (c *call) scarce() bool {
	return slices.Contains([]string{"/push.json", "/message/broadcast.json"}, c.Path)
}
