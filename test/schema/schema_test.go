package schema

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The contract's own request cases judge the validator: what the vendor takes is valid, and what it refuses for its form is not.
func TestTheContractsCases(t *testing.T) {
	raw, err := os.ReadFile(File("fixtures.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Cases []struct {
			ID      string
			Request *struct {
				Path    string
				Headers map[string]string
				JSON    json.RawMessage
				Raw     *string
			}
			Expect struct{ HTTP int }
		}
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	// Refused by a rule that no schema states: which message types there are, what their content holds, that an audience has a
	// criterion, the content type, and who signed.
	beyond := map[string]bool{"PUSH-06": true, "PUSH-19": true, "BC-02": true, "BC-05": true}
	taken, refused := 0, 0
	for _, c := range f.Cases {
		if c.Request == nil || strings.HasPrefix(c.ID, "AUTH-") || strings.Contains(string(c.Request.JSON), "$repeat") {
			continue
		}
		contentType, body := c.Request.Headers["Content-Type"], []byte(c.Request.JSON)
		if c.Request.Raw != nil {
			body = []byte(*c.Request.Raw)
		}
		if len(body) == 0 {
			continue
		}
		err := Wire(c.Request.Path, contentType, body)
		switch {
		case c.Expect.HTTP == 200 && err != nil:
			t.Errorf("%s is taken by the vendor: %v", c.ID, err)
		case c.Expect.HTTP == 200:
			taken++
		case err == nil && !beyond[c.ID]:
			t.Errorf("%s is refused by the vendor, and no schema sees it", c.ID)
		case err != nil:
			refused++
		}
	}
	if taken < 18 || refused < 10 {
		t.Errorf("%d cases are valid and %d are not; the file has more", taken, refused)
	}
}

// Each keyword of the schemas' own finds what it is for.
func TestOwnKeywords(t *testing.T) {
	template := func(values, push, data string) string {
		return `{"fromUserId":"s","toUserId":["a","b"],"objectName":"RC:TxtMsg","content":"{}","values":` + values + `,"pushContent":` + push + data + `}`
	}
	for _, tc := range []struct{ path, contentType, body, says string }{
		{"/user/tag/set.json", "application/json", `{"userId":"u","tags":["` + strings.Repeat("一", 13) + `"]}`, ""},
		{"/user/tag/set.json", "application/json", `{"userId":"u","tags":["` + strings.Repeat("一", 14) + `"]}`, "x-maxBytes"},
		{"/user/tag/set.json", "application/json", `{"userId":"u","tags":["a b"]}`, "x-charset"},
		{"/user/tag/set.json", "application/json", `{"userId":"u","tags":[],"tag":1}`, "additional"},
		{"/message/broadcast.json", "application/x-www-form-urlencoded", "fromUserId=s&objectName=a&content=c&pushExt=%7B%22pushConfigs%22%3A%5B%7B%22HW%22%3A%7B%7D%7D%5D%7D", ""},
		{"/message/broadcast.json", "application/x-www-form-urlencoded", "fromUserId=s&objectName=a&content=c&pushExt=%7B%22pushConfigs%22%3A%5B%7B%22hw%22%3A%7B%7D%7D%5D%7D", "x-json"},
		{"/message/broadcast.json", "application/x-www-form-urlencoded", "fromUserId=s&objectName=a&content=c&pushExt=x", "x-json"},
		{"/message/broadcast.json", "application/x-www-form-urlencoded", "fromUserId=s&fromUserId=t&objectName=a&content=c", "repeated"},
		{"/message/system/publish_template.json", "application/json", template(`[{},{}]`, `["",""]`, `,"pushData":["",""]`), ""},
		{"/message/system/publish_template.json", "application/json", template(`[{}]`, `["",""]`, ""), "1 values"},
		{"/message/system/publish_template.json", "application/json", template(`[{},{}]`, `[""]`, ""), "1 pushContent"},
		{"/message/system/publish_template.json", "application/json", template(`[{},{}]`, `["",""]`, `,"pushData":[""]`), "1 pushData"},
		{"/push.json", "application/json", `{"platform":["ios"],"audience":{"is_to_all":false},"fromuserid":"s","notification":{"alert":"x"}}`, "#message"},
		{"/nothing.json", "application/json", `{}`, "no schema"},
	} {
		err := Wire(tc.path, tc.contentType, []byte(tc.body))
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s %s: %v, want %q", tc.path, tc.body, err, tc.says)
		}
	}
	if known(map[string]any{"properties": map[string]any{"a": map[string]any{"x-new": true}}}) == nil {
		t.Error("an unknown keyword was taken")
	}
}
