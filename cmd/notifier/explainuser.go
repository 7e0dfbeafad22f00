package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/explain"
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
	out := explain.User{Schema: "notifier.explain-user/v1", User: user, Accounts: []explain.Account{}, Pending: []explain.Waiting{}}
	identities := explaining(o, set, s, time.Now()).Identities
	for _, name := range slices.Sorted(maps.Keys(identities)) {
		for _, st := range states {
			if row := st.Users[identities[name]].Get(user); row != nil {
				out.Accounts = append(out.Accounts, explain.Row(set, name, row))
				if o.rule != "" {
					out.Rules = append(out.Rules, explain.OfUser(set, set.Rule(o.rule), name, row)...)
				}
			}
		}
	}
	out.Pending = waits(s, states, app.PendingFilter{Target: user}, time.Now())
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
