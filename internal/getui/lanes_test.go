package getui

import (
	"encoding/json"
	"testing"
)

// The vendor's table and what this package makes of its endpoints are one: which calls may be sent again, and how much one of them holds.
func TestTheLaneTableIsThatOfTheEndpoints(t *testing.T) {
	var file struct{ Lanes []LaneLimits }
	if err := json.Unmarshal(lanesFile, &file); err != nil {
		t.Fatal(err)
	}
	most := map[Endpoint]int{BatchCID: MaxBatch, BatchAlias: MaxBatch, ListCID: MaxList, ListAlias: MaxList, AliasBind: MaxAliasPairs, AliasUnbind: MaxAliasPairs,
		TagSet: MaxTags, TagAdd: MaxTagCIDs, TagRemove: MaxTagCIDs, BlackAdd: MaxBlack, UserStatus: MaxStatus, ReportTask: MaxReport}
	known := map[string]bool{}
	for _, ep := range endpoints {
		l := ep.Limits()
		if l.Lane == "" {
			continue
		}
		known[l.Endpoint] = true
		if want := max(1, most[ep]); l.MaxBatch != want {
			t.Errorf("%s: at most %d, here %d", l.Endpoint, l.MaxBatch, want)
		}
		if again, told := map[string]bool{"yes": true, "once": true, "read_back": true, "no": false}[l.ResendSafe]; !told || again != ep.Repeatable {
			t.Errorf("%s: resend_safe %q, repeatable %t", l.Endpoint, l.ResendSafe, ep.Repeatable)
		}
	}
	if len(file.Lanes) != 21 || len(known) != 21 {
		t.Errorf("%d lanes, %d of them with an endpoint of ours, want 21", len(file.Lanes), len(known))
	}
	for _, tc := range []struct {
		ep               Endpoint
		minute, day, cid int
	}{{AppAll, 5, 20, 0}, {AppTag, 5, 20, 0}, {ListMessage, 0, 2_000_000, 0}, {TagAdd, 5, 10000, 0}, {TagSet, 0, 10000, 1}, {TagGet, 100, 10000, 0}, {SingleCID, 0, 0, 0}, {UserBadge, 0, 0, 0}} {
		l := tc.ep.Limits()
		if l.Per("minute") != tc.minute || l.Per("day") != tc.day || l.Per("day per cid") != tc.cid {
			t.Errorf("%s: %d a minute, %d a day, %d a day for each cid; want %d, %d, %d", tc.ep.Name, l.Per("minute"), l.Per("day"), l.Per("day per cid"), tc.minute, tc.day, tc.cid)
		}
	}
}
