package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/ledger"
)

// explainUser says why a user has the tags, from the ledger.
func explainUser(cmd *cobra.Command, o explainOptions, user string) error {
	if err := jsonOrText(spoken(cmd), o.format); err != nil {
		return err
	}
	r, s, set, err := liveRules(cmd, &o)
	if err != nil {
		return err
	}
	states, err := r.Ledgers(cmd.Context())
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	now := time.Now()
	pending := waits(s, set, states, app.PendingFilter{Target: user}, now)
	out := explain.User{Schema: "notifier.explain-user/v1", User: user, Accounts: []explain.Account{}, Pending: pending}
	identities := explaining(o, set, s, now).Identities
	for _, name := range slices.Sorted(maps.Keys(identities)) {
		for _, st := range states {
			if row := st.Users[identities[name]].Get(user); row != nil {
				ac := explain.Row(set, name, row)
				if !ownTags(pending, states, identities[name]) && row.RewriteAt.IsZero() {
					ac.Await(st.Changes[identities[name]])
				}
				out.Accounts = append(out.Accounts, ac)
				if o.rule != "" {
					out.Rules = append(out.Rules, explain.OfUser(set, set.Rule(o.rule), name, row)...)
				}
			}
		}
	}
	if len(out.Accounts)+len(out.Pending) == 0 {
		return &exitError{exitUsage, fmt.Errorf(mostly(o.say, "nothing is known of user %q: no profile event named the user; next: notifier fates --user %s", "没有用户 %q 的资料：没有哪个资料事件写过这个用户；下一步：notifier fates --user %s"), user, user)}
	}
	if o.rule != "" {
		out.Only(o.rule)
	}
	if o.format == "json" {
		return printJSON(cmd.OutOrStdout(), out)
	}
	return out.WriteText(cmd.OutOrStdout(), s.Zone, o.say)
}

// ownTags reports whether a profile event is pending whose tags are to be written to an account, by the rules as they are now.
func ownTags(pending []explain.Waiting, states map[int32]*ledger.State, identity string) bool {
	return slices.ContainsFunc(pending, func(w explain.Waiting) bool {
		in := app.FindPending(states, string(w.Intent))[0].Intent
		return in.Profile != nil && in.Key == identity
	})
}
