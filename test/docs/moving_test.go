//go:build !race

package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/ruletest"
	"github.com/notifier/notifier/internal/settings"
)

const moving = "docs/moving"

// moved loads the rules of a folder under the settings of a file, and runs their tests; sent gives the endpoints of what left, each held to
// its vendor's schema.
func moved(t *testing.T, file, folder string) (sent []string) {
	t.Helper()
	s, list := settings.LoadForRules(filepath.Join(root, moving, file), nil)
	if s == nil || len(list) > 0 {
		t.Fatal(show(list))
	}
	files, list := rules.Read([]string{filepath.Join(root, moving, folder)})
	if len(list) > 0 {
		t.Fatal(show(list))
	}
	formatted(t, moving, files)
	set, list := rules.LoadFiles(files, app.RuleOptions(s))
	if set == nil {
		t.Fatalf("%s:\n%s", file, show(list))
	}
	for _, d := range list {
		if d.Code != "W307" && d.Code != "I410" { // tags that another system keeps; who is reached by a broadcast
			t.Errorf("%s: %s %s", file, d.Code, d.Message.EN)
		}
	}
	b := app.NewBench(s, nil)
	rep := ruletest.Run(ruletest.Options{Set: set, Stage: b.Options, Identities: b.Identities, Snapshots: &ruletest.Snapshots{}, Request: held(t, file, b, func(path string) { sent = append(sent, path) })})
	for _, r := range rep.Results {
		if !r.OK {
			t.Errorf("%s: %s/%s: %v", file, r.Rule, r.Name, r.Diffs)
		}
	}
	if n := len(rep.Results); n < 2 {
		t.Errorf("%s: only %d tests", file, n)
	}
	slices.Sort(sent)
	return slices.Compact(sent)
}

// One rule file is checked and tested for an account at either vendor, and what it sends there is that vendor's.
func TestOneRuleFileForBothVendors(t *testing.T) {
	for file, want := range map[string][]string{
		"getui.yaml":     {"/v2/app/push/single/cid", "/v2/app/push/tag"},
		"rongcloud.yaml": {"/push.json", "/push/user.json"},
	} {
		if got := moved(t, file, "rules"); !slices.Equal(got, want) {
			t.Errorf("%s: sent to %v, want %v", file, got, want)
		}
	}
	if got := moved(t, "both.yaml", "failover"); !slices.Equal(got, []string{"/push/user.json"}) {
		t.Errorf("with two accounts: sent to %v, want the first alone", got)
	}
}

// The rules that ship as well: all files but the one of in-app messages, and the one of tags where a vendor keeps none.
func TestTheShippedRulesForBothVendors(t *testing.T) {
	s, list := settings.LoadForRules(filepath.Join(root, moving, "getui.yaml"), nil)
	if s == nil {
		t.Fatal(show(list))
	}
	files, list := rules.Read([]string{filepath.Join(root, "rules")})
	if len(list) > 0 {
		t.Fatal(show(list))
	}
	_, list = rules.LoadFiles(files, app.RuleOptions(s))
	not := map[string]bool{}
	for _, d := range list {
		if d.Code == "N407" {
			not[filepath.Base(d.File)] = true
		}
	}
	if !not["messages.yaml"] || len(not) > 2 || len(not) == 2 && !not["profile.yaml"] {
		t.Errorf("Getui cannot serve %v", not)
	}
	files = slices.DeleteFunc(files, func(f rules.File) bool { return not[filepath.Base(f.Name)] })
	set, list := rules.LoadFiles(files, app.RuleOptions(s))
	if set == nil {
		t.Fatal(show(list))
	}
	b := app.NewBench(s, nil)
	if rep := proved(t, "rules", set, b); len(rep.Results) < 15 {
		t.Errorf("only %d tests", len(rep.Results))
	}
}

// The pages show the files whole.
func TestThePagesOfMovingShowItsFiles(t *testing.T) {
	for _, p := range bilingual("docs/getui-moving.md") {
		for _, file := range []string{"rules/moved.yaml", "failover/failover.yaml"} {
			b, err := os.ReadFile(filepath.Join(root, moving, file))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text(t, p), "```yaml\n"+string(b)+"```") {
				t.Errorf("%s does not show %s", p, file)
			}
		}
	}
}

// What the vendor's page on its older SDK names, call by call and result by result (getui.md 11 and 10.5), and what else its clients have: in a row's first column each, where
// somebody who moves looks.
func TestThePagesOfMovingNameEveryOldCall(t *testing.T) {
	old := strings.Fields(`
		pushMessageToSingle clientId alias requestId isOffline offlineExpireTime pushNetWorkType
		TransmissionTemplate transmissionContent NotificationTemplate title text logo logoURL LinkTemplate isRing isVibrate isClearable transmissionType setDuration
		getContentId pushMessageToList needDetails pushMessageToApp phoneTypeList provinceList tagList speed taskGroupName
		IBatch add submit retry stop cancelContentId
		bindAlias unBindAlias unBindAliasAll queryAlias queryClientId setClientTag getUserTags getClientIdStatus addCidListToBlk restoreCidListFromBlk setBadgeForCID
		getUserCountByTags getScheduleTask delScheduleTask getPushResult queryAppPushDataByDate queryAppUserDataByDate
		ok successed_online successed_offline successed_ignore details Error action_error appkey_error sign_error domain_error AppidNoMatchAppKey AppidNoAppSecret
		AppidError TokenMD5Error TokenMD5NoUsers TargetListIsNullOrSizeIs0 AppIdNoUsers PushMsgToListOrAppTimesOverLimit PushTotalNumOverLimit flow_exceeded
		NullMsgCommon TaskIdHasBeanCanceled SendError SynSendError OtherError`)
	code := regexp.MustCompile("`[^`]+`")
	for i, p := range bilingual("docs/getui-moving.md") {
		named := map[string]bool{}
		var first strings.Builder
		for line := range strings.Lines(text(t, p)) {
			if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| ") && len(cells) > 1 {
				first.WriteString(cells[0] + "\n")
				for _, c := range code.FindAllString(cells[0], -1) {
					for _, word := range regexp.MustCompile(`\w+`).FindAllString(c, -1) {
						named[strings.ToLower(word)] = true // C# and Java differ in the first letter
					}
				}
			}
		}
		for _, call := range old {
			if !named[strings.ToLower(call)] {
				t.Errorf("%s has no row for %s", p, call)
			}
		}
		for _, words := range [][2]string{{"by sequence number", "按序号"}, {"list of hosts", "多个 host"}, {"rate-controlled", "频次控制"}, {"task group name (任务组名)", "任务组名"}, {"without conditions", "不带条件"}} {
			if !strings.Contains(first.String(), words[i]) {
				t.Errorf("%s has no row for %q", p, words[i])
			}
		}
	}
}
