package rules

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/notifier/notifier/internal/diag"
)

// mistakes are what the format promises to name for what it is, in the words of its description. Each has files of its own:
// testdata/mistakes/NAME.yaml and, exactly as shown, the findings in English and in Chinese in NAME.txt.
//
// The keys of code are the names of the files; the first finding has that code.
var mistakes = []struct {
	topic, says string
	code        map[string]string
}{
	{"YAML", "unknown key", map[string]string{"yaml-unknown-key": "N101"}},
	{"YAML", "full-width colon `：`", map[string]string{"yaml-wide-colon": "N103", "yaml-wide-colon-flow": "N103"}},
	{"YAML", "or comma `，`", map[string]string{"yaml-wide-comma": "N103", "yaml-wide-comma-list": "N103"}},
	{"YAML", "tab", map[string]string{"yaml-tab": "N106", "yaml-tab-lines": "N106"}},
	{"YAML", "or ideographic space as indentation", map[string]string{"yaml-ideographic-space": "N106"}},
	{"YAML", "BOM", map[string]string{"yaml-bom": "N107"}},
	{"YAML", "empty or null value (`when: !x` loads as null: never \"always\")", map[string]string{"yaml-empty": "N104", "yaml-null": "N104", "yaml-bang": "N105"}},
	{"YAML", "tags, anchors, aliases, merge keys", map[string]string{"yaml-tag": "N105", "yaml-anchor": "N105", "yaml-alias": "N105", "yaml-merge-key": "N105"}},
	{"YAML", "` #` inside a text (the rest would be cut silently)", map[string]string{"yaml-hash": "W113", "yaml-hash-flow": "N113", "yaml-hash-condition": "N113", "yaml-hash-condition-quoted": "N113",
		"yaml-hash-condition-more": "N113", "yaml-hash-condition-unfinished": "N113", "yaml-hash-between": "N113", "yaml-hash-hole": "N113"}},
	{"YAML", "an ASCII comma", map[string]string{"yaml-comma-flow": "N105"}},
	{"YAML", "or unquoted `${}` inside `{}` or `[]`", map[string]string{"yaml-hole-flow": "N105", "yaml-hole-first-flow": "N105", "yaml-hole-comma-flow": "N105"}},
	{"YAML", "`: ` in a text", map[string]string{"yaml-colon-space": "N105", "yaml-colon-space-flow": "N105", "yaml-colon-space-hole": "N105"}},
	{"YAML", "a text that begins with `[ * & ! % @ > |`", map[string]string{"yaml-begins-bracket": "N105", "yaml-begins-star": "N105", "yaml-begins-ampersand": "N105",
		"yaml-begins-bang": "N105", "yaml-begins-percent": "N105", "yaml-begins-at": "N105", "yaml-begins-greater": "N105", "yaml-begins-bar": "N105"}},
	{"YAML", "duplicate keys", map[string]string{"yaml-duplicate-key": "N102"}},

	{"Names", "duplicate rule name (with the first place)", map[string]string{"name-duplicate-rule": "N220"}},
	{"Names", "unknown event, field, hole, account (with the list and the nearest)", map[string]string{"name-event": "N201", "name-field": "N202", "name-hole": "N202", "name-account": "N203"}},
	{"Names", "a tag no tag rule can give (warning)", map[string]string{"name-tag-nobody-gives": "W307"}},

	{"Conditions", "`=` for `==`", map[string]string{"cond-single-equals": "N205"}},
	{"Conditions", "Chinese quotation marks, operators or words (`”`, `＞`, `并且`, `且`)", map[string]string{"cond-chinese-quote": "N207", "cond-chinese-quote-closing": "N207",
		"cond-wide-greater": "N207", "cond-and-word": "N207", "cond-and-short": "N207"}},
	{"Conditions", "text without quotes (`城市 == 北京`)", map[string]string{"cond-unquoted-text": "N208"}},
	{"Conditions", "`== \"a\" or \"b\"`", map[string]string{"cond-two-values": "N210"}},
	{"Conditions", "`(\"a\",\"b\")` for a list", map[string]string{"cond-round-list": "N219", "cond-round-list-chinese": "N219"}},
	{"Conditions", "`1,000`", map[string]string{"cond-thousands": "N211"}},
	{"Conditions", "`５００`", map[string]string{"cond-wide-digits": "N211"}},
	{"Conditions", "`amount >= 100 and < 500`", map[string]string{"cond-half-range": "N217"}},
	{"Conditions", "number compared with text", map[string]string{"cond-number-with-text": "N204", "cond-text-with-number": "N204"}},
	{"Conditions", "a value outside `values`", map[string]string{"cond-outside-values": "N206"}},
	{"Conditions", "always true (`x != a or x != b`)", map[string]string{"cond-always-true": "W212", "cond-always-true-range": "W212"}},
	{"Conditions", "and always false", map[string]string{"cond-always-false": "W212", "cond-always-false-range": "W212", "cond-always-false-list": "W212"}},
	{"Conditions", "`a or b and c` without brackets (warning)", map[string]string{"cond-mixed": "W216"}},

	{"Safety", "everyone-like audience (everyone, online, only a package) without permission or approval", map[string]string{"safe-everyone": "N402", "safe-online": "N402", "safe-package": "N402"}},
	{"Safety", "empty audience", map[string]string{"safe-empty-audience": "N403", "safe-empty-audience-list": "N403", "safe-audience-list": "N111", "safe-audience-key": "N101", "safe-audience-tag": "N111", "safe-audience-tags": "N111"}},
	{"Safety", "push on a profile event without `changed`", map[string]string{"safe-profile-push": "N404", "safe-profile-push-or": "N404", "safe-profile-push-not": "N404", "safe-profile-push-list": "N404"}},
	{"Safety", "mixed criteria with everyone", map[string]string{"safe-mixed-everyone": "N405", "safe-mixed-everyone-list": "N405", "safe-mixed-everyone-tag": "N405"}},
	{"Safety", "a merged text whose field is not in `by`", map[string]string{"safe-merged-text": "N305"}},
	{"Safety", "an audience or field the account's vendor cannot do", map[string]string{"safe-vendor-field": "W407"}}, // the audience's golden stands in package app: rules know no vendor
	{"Safety", "more daily slots asked for by all rules together than exist (warning, lists them)", map[string]string{"safe-slots": "W504"}},
	{"Safety", "no test that proves a miss (warning)", map[string]string{"safe-no-miss": "W801", "safe-no-miss-always": "W801", "safe-no-miss-life": "W801"}},
	{"Safety", "vendor facts worth knowing (push-only reaches devices seen within 30 days)", map[string]string{"safe-vendor-fact": "I410"}},

	{"Time and size", "`merge.wait` longer than `expire`", map[string]string{"time-merge-longer-than-expire": "N504"}},
	{"Time and size", "quiet hours that outlast `expire` with `when_quiet: hold`", map[string]string{"time-quiet-outlasts-expire": "W503", "time-quiet-default-outlasts-expire": "W503", "time-quiet-together": "W503"}},
	{"Tests", "a value that the field cannot have", map[string]string{"test-value": "N560", "test-values": "N560"}},
	{"Tests", "unknown keys in `expect`, and what a rule cannot do", map[string]string{"test-expect-key": "N101", "test-expect-two": "N561", "test-expect-other": "N561", "test-leaves-at": "N561", "test-no-sample": "N608"}},
	{"Tests", "a field that the event or the profile has not", map[string]string{"test-field": "N202", "test-profile-field": "N202"}},
	{"Time and size", "over-long title or tag (bytes and Han characters)", map[string]string{"size-title": "W505", "size-tag": "N306"}},

	// Not in the description, seen in practice.
	{"", "a badge that is to count up", map[string]string{"push-badge-plus": "N112"}},
	{"", "Chinese quotation marks around a text", map[string]string{"yaml-curly-quotes": "N115", "yaml-curly-quotes-flow": "N115", "yaml-curly-closing": "N100", "yaml-quote-inside": "N105"}},
	{"", "brackets, quotation marks and indentation", map[string]string{"yaml-unclosed": "N100", "yaml-brace-open": "N100", "yaml-brace-close": "N100", "yaml-indent": "N100", "yaml-dedent": "N100", "yaml-no-space": "N100"}},
	{"", "what stands between brackets", map[string]string{"yaml-missing-comma": "N100", "yaml-missing-comma-quoted": "N100", "yaml-missing-comma-lines": "N100", "yaml-semicolon-flow": "N103", "yaml-comma-twice": "N100",
		"yaml-extra-brace": "N100", "yaml-extra-brace-lines": "N100", "yaml-extra-semicolon": "N100", "yaml-round-brackets": "N100", "yaml-no-space-flow": "N100", "yaml-no-colon-flow": "N100", "yaml-no-colon-text": "N100", "yaml-other-bracket": "N100",
		"yaml-curly-mixed": "N103"}},
	{"", "a key, an item or a text that YAML takes for something else", map[string]string{"yaml-escape": "N105", "yaml-begins-dash": "N105", "yaml-begins-question": "N105", "yaml-no-colon": "N100", "yaml-no-colon-value": "N100",
		"yaml-other-dash": "N103", "yaml-no-space-bracket": "N100", "yaml-tight-dash-bracket": "N100", "yaml-indent-deeper": "N100", "yaml-not-indented": "N104"}},
	{"", "brackets of a text between brackets", map[string]string{"yaml-bracket-in-text": "N105", "yaml-bracket-in-list": "N105", "yaml-bracket-unclosed": "N100"}},
	{"", "Chinese words for keys", map[string]string{"name-chinese-key": "N101"}},
	{"", "marks of conditions that are two in one, or stand between two", map[string]string{"cond-wide-pairs": "N207", "cond-wide-semicolon": "N207", "cond-semicolon": "N205", "cond-not-word": "N207"}},
	{"", "a life that is none", map[string]string{"life-day": "N531", "life-no-time": "N531", "life-no-such-day": "N531", "life-tags": "N531", "life-until-before-from": "N532", "life-over": "W532"}},
	{"", "a canary that is none", map[string]string{"canary-broadcast": "N530", "canary-number": "N530", "canary-nobody": "N530", "canary-misspelt": "N112", "canary-chinese": "N112", "canary-no-share": "N112", "canary-wide": "N103"}},
	{"", "a mode that is none", map[string]string{"mode-other": "N112", "mode-other-broadcast": "N112"}},
	{"", "nothing at all, as other languages write it", map[string]string{"cond-null": "N213", "cond-null-not": "N213", "cond-null-alone": "N213"}},
	{"", "the profile where it is not asked", map[string]string{"cond-user": "N213", "cond-user-unknown": "N213", "cond-user-broadcast": "N213", "cond-user-profile": "N213", "userwhen-user": "N213", "cond-before": "N213"}},
	{"", "an approval that may come too late", map[string]string{"time-approval-outlasts-expire": "W506"}},
	{"", "a condition on the profile table", map[string]string{"userwhen-broadcast": "N533", "userwhen-event": "N533", "userwhen-field": "N202", "userwhen-value": "N206", "userwhen-always": "W212"}},
	{"", "a time of day to send at", map[string]string{"sendat-form": "N534", "sendat-tags": "N534", "sendat-no-expire": "N501", "sendat-short-expire": "W536", "sendat-quiet-drop": "N535", "sendat-quiet-hold": "W535"}},
	{"", "variants", map[string]string{"variants-sum": "N537", "variants-share": "N537", "variants-name": "N537", "variants-empty": "N537", "variants-one": "N537", "variants-merge-one": "N537",
		"variants-no-body": "N114", "variants-broadcast": "N537"}},
	{"", "a list in `to` that would be one user", map[string]string{"to-list-filter": "N304", "to-list-text": "N309"}},
	{"", "a text that is empty where one is needed", map[string]string{"to-empty": "N104", "once-by-empty": "N104", "merge-one-empty": "N104", "variants-body-empty": "N104"}},
	{"", "holes that are filled later", map[string]string{"open-user-broadcast": "N539", "open-user-to": "N539", "open-now-by": "N539", "open-user-field": "N202", "open-filter": "N304"}},
	{"", "accounts to try in order", map[string]string{"account-list-tags": "N540", "account-list-twice": "N540", "account-list-unknown": "N203", "account-list-everyone": "N401"}},
	{"", "limits that cannot be kept", map[string]string{"limit-quota-push": "N520", "limit-per-user": "N112", "limit-per-user-broadcast": "N520", "time-quiet-none-too": "N112", "time-quiet-week": "N502", "limit-once-merged": "N521", "limit-reserve-alone": "N522", "limit-reserve-over-quota": "N522", "limit-reserve-sum": "N523", "limit-per-user-many": "N112", "limit-per-user-long": "N112"}},
	{"", "marks that are not what they seem", map[string]string{"yaml-hash-first": "N113", "yaml-begins-bracket-open": "N105", "yaml-tight-dash": "N100", "yaml-wide-dash": "N100",
		"yaml-wide-brackets": "N103", "yaml-wide-brackets-list": "N103", "yaml-wide-time": "N103"}},
	{"", "what is sent literally", map[string]string{"text-almost-hole": "W308", "text-unseen": "W310", "text-keyboard-hole": "W308", "text-half-quotes": "W313"}},
	{"", "holes", map[string]string{"hole-open": "N301", "hole-wide": "N301", "hole-wide-bar": "N301", "hole-chinese-quotes": "N301", "hole-chinese-closing": "N301", "hole-empty": "N301", "hole-count": "N302", "hole-event": "N302", "hole-date": "N304", "hole-order": "N304", "hole-argument": "N301"}},
	{"", "holes that are no part of a tag", map[string]string{"tag-never": "N306", "tag-sometimes": "W314"}},
	{"", "links that open nothing", map[string]string{"link-keyboard": "N311", "link-doubt": "W312"}},
	{"", "accounts of which none is clear, or that cannot send it", map[string]string{"account-several": "N406", "account-no-sender": "N408"}},
	{"", "what is too much", map[string]string{"cond-nested": "N214", "cond-loops": "N214", "cond-repeats": "N214", "work-to-list": "N214", "size-text": "N505"}},
	{"", "another kind of file, or none", map[string]string{"file-no-rules": "N110", "file-settings": "N118", "file-rules-mapping": "N111"}},
	{"", "the catalogue", map[string]string{"catalogue-none": "N601", "catalogue-missing": "N601", "catalogue-envelope": "W606", "catalogue-sample": "N608", "catalogue-path": "N605", "catalogue-sample-path": "W610", "catalogue-names": "N602", "catalogue-shared-topic": "W221"}},
	{"", "waits that follow each other", map[string]string{"waits-add-up": "W535"}},
	{"", "what would be sent once of two", map[string]string{"text-link-twice": "N102"}},
	{"", "several values without a comparison each", map[string]string{"cond-two-values-not": "N210", "cond-two-values-contains": "N210", "cond-two-numbers": "N210", "cond-range-minus": "N217"}},
	{"", "texts that are no numbers, and what nobody sees in them", map[string]string{"cond-order-closed": "N204", "cond-order-text": "W222", "cond-text-unseen": "W310"}},
	{"", "parts that a missing field overrules", map[string]string{"cond-missing-or": "W223", "cond-missing-unless": "W223"}},
	{"", "what differs between merged events", map[string]string{"merge-event": "N305", "merge-filter": "N305"}},
	{"", "a test that always passes", map[string]string{"test-expect-empty": "N114"}},
	{"", "what never happens", map[string]string{"cond-event-type": "W212", "cond-never-unless": "W212", "cond-other-case": "W212", "cond-list-length": "W212"}},
	{"", "several in one", map[string]string{"cond-joined": "W224", "to-two-users": "N309", "limit-once-runs-on": "W524"}},
	{"", "conditions as other programs have them", map[string]string{"cond-spreadsheet": "N205", "cond-not-comparison": "N209", "cond-placeholder": "N213", "cond-percent": "N211", "cond-null-wide": "N213"}},
	{"", "what is no condition", map[string]string{"cond-lookahead": "N209", "cond-pattern": "N209", "cond-not-a-number": "N209", "cond-unfinished": "N209", "cond-no-operator": "N209", "cond-unclosed-text": "N209", "cond-not-bool": "N209"}},
}

// described is the section of the format that promises the list, word by word.
var described = map[string]string{
	"YAML": "unknown key; full-width colon `：` or comma `，`; tab or ideographic space as indentation; BOM; empty or null value (`when: !x` loads as null: never \"always\"); tags, anchors, aliases, merge keys; " +
		"` #` inside a text (the rest would be cut silently); an ASCII comma or unquoted `${}` inside `{}` or `[]`; `: ` in a text; a text that begins with `[ * & ! % @ > |`; duplicate keys.",
	"Names": "duplicate rule name (with the first place); unknown event, field, hole, account (with the list and the nearest); a tag no tag rule can give (warning).",
	"Conditions": "`=` for `==`; Chinese quotation marks, operators or words (`”`, `＞`, `并且`, `且`); text without quotes (`城市 == 北京`); `== \"a\" or \"b\"`; `(\"a\",\"b\")` for a list; `1,000`; `５００`; " +
		"`amount >= 100 and < 500`; number compared with text; a value outside `values`; always true (`x != a or x != b`) and always false; `a or b and c` without brackets (warning).",
	"Safety": "everyone-like audience (everyone, online, only a package) without permission or approval; empty audience; push on a profile event without `changed`; mixed criteria with everyone; " +
		"a merged text whose field is not in `by`; an audience or field the account's vendor cannot do; more daily slots asked for by all rules together than exist (warning, lists them); " +
		"no test that proves a miss (warning); vendor facts worth knowing (push-only reaches devices seen within 30 days).",
	"Time and size": "`merge.wait` longer than `expire`; quiet hours that outlast `expire` with `when_quiet: hold`; over-long title or tag (bytes and Han characters).",
}

// Every mistake of the description is in the table: taking out what the table says leaves nothing but punctuation.
func TestNoNamedMistakeIsLeftOut(t *testing.T) {
	for topic, text := range described {
		for _, m := range mistakes {
			if m.topic == topic {
				if !strings.Contains(text, m.says) {
					t.Errorf("%s: the description has no %q", topic, m.says)
				}
				text = strings.Replace(text, m.says, "", 1)
			}
		}
		if strings.ContainsFunc(text, unicode.IsLetter) {
			t.Errorf("%s: no golden for: %s", topic, text)
		}
	}
}

func mistakeFiles(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, m := range mistakes {
		if len(m.code) == 0 {
			t.Errorf("%s has no golden", m.says)
		}
		for name, code := range m.code {
			if out[name] != "" {
				t.Errorf("%s stands twice", name)
			}
			out[name] = code
		}
	}
	return out
}

// accountsFor gives the one account that most files have, or two.
func accountsFor(name string) Options {
	opt := strictAccount()
	switch name {
	case "account-several":
		opt.Accounts = append(opt.Accounts, Account{Name: "second", Vendor: "getui"})
	case "account-no-sender":
		opt.Accounts[0].Sender = ""
	}
	if strings.HasPrefix(name, "account-list-") {
		opt.Accounts = append(opt.Accounts, Account{Name: "second", Vendor: "rongcloud", Sender: "system"})
		opt.Accounts[0].AllowEveryone = true
	}
	return opt
}

func loadMistake(t testing.TB, name string) diag.List {
	t.Helper()
	files := []File{{"events.yaml", readFile(t, "testdata/events.yaml")}, {name + ".yaml", readFile(t, "testdata/mistakes/"+name+".yaml")}}
	if strings.HasPrefix(name, "catalogue-") {
		rule := "version: 1\nrules:\n  - name: any-rule\n    event: [order.paid, order.refunded]\n    mode: live\n    class: service\n    when: event.id == \"1\"\n    push: {body: b}\n    tests: [{name: n, event: {}, expect: no match}]\n"
		switch name {
		case "catalogue-missing":
			rule = ""
		case "catalogue-shared-topic":
		default:
			rule = strings.Replace(rule, "[order.paid, order.refunded]", "order.paid", 1)
		}
		files = []File{files[1], {"bad.json", []byte(`{"id": 1, "data": {"amount_fen": 5, "level": "VIP"}}`)}}
		if rule != "" {
			files = append(files, File{"r.yaml", []byte(rule)})
		}
	}
	set, l := LoadFiles(files, accountsFor(name))
	if l.Errors() > 0 != (set == nil) {
		t.Errorf("%s: a Set with errors", name)
	}
	if set != nil {
		l = append(l, set.Advice...)
	}
	return l
}

func TestEachMistakeIsShownAsWritten(t *testing.T) {
	want := mistakeFiles(t)
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) != len(want) {
		t.Errorf("%d files, the table has %d, %v", len(files), len(want), err)
	}
	for name, code := range want {
		l := loadMistake(t, name)
		if len(l) == 0 || l[0].Code != code {
			t.Errorf("%s: the first finding is not %s:\n%s", name, code, show(l))
			continue
		}
		var got bytes.Buffer
		for _, lang := range []diag.Lang{diag.EN, diag.ZH} {
			if err := diag.WriteText(&got, l, lang); err != nil {
				t.Fatal(err)
			}
			if lang == diag.EN {
				got.WriteString("----\n")
			}
		}
		golden := "testdata/mistakes/" + name + ".txt"
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(string(readFile(t, golden)), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

var (
	codeText = regexp.MustCompile("`[^`]*`|\"[^\"]*\"")
	english  = regexp.MustCompile(`[A-Za-z']+ [A-Za-z']+ [A-Za-z']+`)
)

// What is said in Chinese is Chinese: no sentence of a library shows through, and each mistake says how to mend it.
func TestFindingsAreInBothLanguagesAndHaveACure(t *testing.T) {
	for name := range mistakeFiles(t) {
		for _, d := range loadMistake(t, name) {
			for _, s := range []diag.Text{d.Message, d.Hint, d.Note} {
				if plain := codeText.ReplaceAllString(s.ZH, ""); english.MatchString(plain) {
					t.Errorf("%s: %s in Chinese: %s", name, d.Code, s.ZH)
				}
				if (s.EN == "") != (s.ZH == "") || (s.EN != "" && s.EN == s.ZH) {
					t.Errorf("%s: %s: %q and %q", name, d.Code, s.EN, s.ZH)
				}
				if plain := codeText.ReplaceAllString(s.EN, ""); strings.ContainsFunc(plain, func(r rune) bool { return unicode.Is(unicode.Han, r) }) && d.Hint != s && d.Note != s {
					t.Errorf("%s: %s in English: %s", name, d.Code, s.EN)
				}
			}
			if d.Hint.EN == "" && d.Note.EN == "" {
				t.Errorf("%s: %s has no cure: %s", name, d.Code, d.Message.EN)
			}
		}
	}
}

// What is said of a file that is perhaps still being written, and of one that cannot be read, is shown as in testdata/wholefiles.txt.
func TestFilesWithoutAPlaceAreShownAsWritten(t *testing.T) {
	old, now := []File{{"r.yaml", []byte("version: 1\nrules: []\n")}}, []File{{"r.yaml", []byte("version: 1\n")}}
	l := diag.List{Unfinished(CutShort(old, now))}
	_, unread := Load([]string{"testdata/nope"}, demoAccount())
	_, unnoticed := Read([]string{"testdata/otherending"})
	l = slices.Concat(l, unread, unnoticed)
	var got bytes.Buffer
	for _, lang := range []diag.Lang{diag.EN, diag.ZH} {
		if err := diag.WriteText(&got, l, lang); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		if err := os.WriteFile("testdata/wholefiles.txt", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, "testdata/wholefiles.txt")), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
