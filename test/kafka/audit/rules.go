package audit

import (
	"slices"
	"time"
)

// entry is one catalogue entry for business events: ../rules/events.yaml in Go.
type entry struct {
	topic string
	is    func(d delivery) bool
	user  string   // path to the event's user; "": none
	must  []string // required number fields
}

var entries = map[string]entry{
	"gh.issue":       {topic: "gh.issues", is: kind("issues"), user: "issue.user.login", must: []string{"issue.number"}},
	"gh.assigned":    {topic: "gh.issues", is: func(d delivery) bool { return d.kind == "issues" && action(d) == "assigned" }, user: "assignee.login"},
	"gh.comment":     {topic: "gh.issues", is: kind("issue_comment"), user: "issue.user.login"},
	"gh.pull":        {topic: "gh.pulls", is: kind("pull_request"), user: "pull_request.user.login"},
	"gh.star":        {topic: "gh.activity", is: kind("star"), user: "repository.owner.login"},
	"gh.sponsorship": {topic: "gh.activity", is: kind("sponsorship"), user: "sponsorship.sponsorable.login"},
	"gh.release":     {topic: "gh.releases", is: kind("release"), user: "release.author.login"},
	"gh.advisory":    {topic: "gh.security", is: kind("security_advisory")},
}

func kind(name string) func(delivery) bool { return func(d delivery) bool { return d.kind == name } }

func action(d delivery) string { return text(d.doc, "action") }

// rule is one push or broadcast rule: ../rules/*.yaml in Go. Every body begins with the rule's name and holds the
// event's id, so a call at the vendor names the intents it is for.
type rule struct {
	name, account, entry string
	when                 func(d delivery) bool
	to                   func(d delivery) []string // nil: the event's user
	title                string
	body                 func(d delivery) string
	expire               time.Duration
	perUser              int // 0: no cap
	shadow               bool
	message              bool // an in-app message: /message/system/publish.json
	merged               bool // several stars of one owner may share a push
	audience             []string
	everyone             bool
}

func (r *rule) broadcast() bool { return r.everyone || r.audience != nil }

const long = 72 * time.Hour

var rules = []*rule{
	{name: "issue-opened", account: "main", entry: "gh.issue", title: "Issue opened", expire: long,
		when: func(d delivery) bool { return action(d) == "opened" },
		body: func(d delivery) string {
			return "issue-opened " + d.id + " #" + text(d.doc, "issue.number") + " «" + text(d.doc, "issue.title") + "»."
		}},
	{name: "issue-assignees", account: "main", entry: "gh.issue", title: "New assignment", expire: long,
		when: func(d delivery) bool { return slices.Contains([]string{"assigned", "edited", "labeled"}, action(d)) },
		to:   func(d delivery) []string { return each(d.doc, "issue.assignees", "login") },
		body: func(d delivery) string { return "issue-assignees " + d.id + " «" + text(d.doc, "issue.title") + "»." }},
	{name: "assignee-hello", account: "main", entry: "gh.assigned", title: "您被指派了", expire: long,
		when: func(delivery) bool { return true },
		body: func(d delivery) string { return "assignee-hello " + d.id + " 请查看" }},
	{name: "comment-reply", account: "main", entry: "gh.comment", title: "Somebody answered", expire: time.Hour,
		when: func(d delivery) bool {
			author, ok1 := str(d.doc, "comment.user.login")
			asker, ok2 := str(d.doc, "issue.user.login")
			return action(d) == "created" && !(ok1 && ok2 && author == asker)
		},
		body: func(d delivery) string { return "comment-reply " + d.id + " by " + text(d.doc, "comment.user.login") }},
	{name: "pull-big", account: "main", entry: "gh.pull", title: "Big pull request", expire: long, perUser: 2,
		when: func(d delivery) bool {
			n, ok := num(d.doc, "pull_request.additions")
			draft, known := yes(d.doc, "pull_request.draft")
			return ok && n > 400 && !(known && draft) && slices.Contains([]string{"opened", "reopened", "synchronize", "labeled", "assigned"}, action(d))
		},
		body: func(d delivery) string {
			return "pull-big " + d.id + " +" + text(d.doc, "pull_request.additions") + " lines"
		}},
	{name: "star-digest", account: "main", entry: "gh.star", expire: long, merged: true,
		when: func(d delivery) bool { return action(d) == "created" }},
	{name: "issue-closed-shadow", account: "main", entry: "gh.issue", title: "Issue unlocked", expire: long, shadow: true,
		when: func(d delivery) bool { return slices.Contains([]string{"unlocked", "reopened", "deleted"}, action(d)) },
		body: func(d delivery) string { return "issue-closed-shadow " + d.id }},
	{name: "release-major", account: "main", entry: "gh.release", title: "New major release", expire: long,
		audience: []string{"type_User"},
		when: func(d delivery) bool {
			return action(d) == "published" && text(d.doc, "release.tag_name") == "9.0.0"
		},
		body: func(d delivery) string { return "release-major " + d.id }},

	{name: "pull-merged", account: "second", entry: "gh.pull", title: "Merged", expire: long,
		when: func(d delivery) bool {
			merged, ok := yes(d.doc, "pull_request.merged")
			return ok && merged && slices.Contains([]string{"closed", "locked", "unlabeled"}, action(d))
		},
		body: func(d delivery) string { return "pull-merged " + d.id }},
	{name: "sponsor-thanks", account: "second", entry: "gh.sponsorship", title: "New sponsor", expire: long, message: true,
		when: func(d delivery) bool {
			n, ok := num(d.doc, "sponsorship.tier.monthly_price_in_dollars")
			return ok && n >= 5 && action(d) == "created"
		},
		body: func(d delivery) string {
			return "sponsor-thanks " + d.id + " USD " + text(d.doc, "sponsorship.tier.monthly_price_in_dollars")
		}},
	{name: "release-author", account: "second", entry: "gh.release", title: "发布成功", expire: long,
		when: func(d delivery) bool { return slices.Contains([]string{"created", "released"}, action(d)) },
		body: func(d delivery) string {
			name := text(d.doc, "release.name")
			if name == "" {
				name = "未命名"
			}
			return "release-author " + d.id + " " + name + " (" + text(d.doc, "release.tag_name") + ")"
		}},
	{name: "issue-security", account: "second", entry: "gh.issue", title: "Security issue", expire: long,
		when: func(d delivery) bool { return slices.Contains(each(d.doc, "issue.labels", "name"), "security") },
		body: func(d delivery) string { return "issue-security " + d.id }},
	{name: "advisory-critical", account: "second", entry: "gh.advisory", title: "Security advisory", expire: long,
		everyone: true,
		when: func(d delivery) bool {
			return action(d) == "published" && text(d.doc, "security_advisory.severity") == "critical"
		},
		body: func(d delivery) string {
			return "advisory-critical " + d.id + " " + text(d.doc, "security_advisory.ghsa_id")
		}},
}

// Accounts are the names of the two accounts.
func Accounts() []string { return []string{"main", "second"} }
