package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/explain"
	"github.com/notifier/notifier/internal/intent"
	"github.com/notifier/notifier/internal/ledger"
	"github.com/notifier/notifier/internal/query"
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
				if set.Rule(o.rule) != nil {
					out.Rules = append(out.Rules, explain.OfUser(set, set.Rule(o.rule), name, row)...)
				}
			}
		}
	}
	if err := ruleKnown(o, set, explain.Past{Pending: pending}); err != nil {
		return err
	}
	if len(out.Accounts)+len(out.Pending) == 0 {
		return &exitError{exitUsage, fmt.Errorf(mostly(o.say, "nothing is known of user %q: no profile event named the user, or the user was deleted since; next: notifier fates --user %s", "没有用户 %q 的资料：没有资料事件写过这个用户，或者用户后来已删除；下一步：notifier fates --user %s"), user, user)}
	}
	if err := refused(cmd.Context(), r, &out); err != nil {
		return err
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

// refused looks among the fates for a vendor's no where it is not certain what the vendor has: a row does not say why.
func refused(ctx context.Context, r *query.Reader, u *explain.User) error {
	if !slices.ContainsFunc(u.Accounts, func(a explain.Account) bool { return !a.Certain }) {
		return nil
	}
	var fates []ledger.Fate
	err := r.Fates(ctx, query.Filter{User: u.User}, func(f ledger.Fate) error {
		fates = append(fates, f)
		return nil
	})
	if err != nil {
		return &exitError{exitUnreachable, err}
	}
	refusals(u, fates)
	return nil
}

// refusals finds the vendor's last word on a user's tags in each account where it is not certain what the vendor has.
func refusals(u *explain.User, fates []ledger.Fate) {
	last := map[string]ledger.Fate{}
	for _, f := range fates {
		wrote := f.Fate == ledger.Sent || f.Fate == ledger.FateUnknown || f.Fate == ledger.Dead
		if f.Action == intent.Tags && wrote && !f.At.Before(last[f.Account].At) {
			last[f.Account] = f
		}
	}
	for i := range u.Accounts {
		if a, f := &u.Accounts[i], last[u.Accounts[i].Account]; !a.Certain && f.Reason == ledger.RejectedByVendor {
			a.Refused = cmp.Or(f.Detail, fmt.Sprintf("code %d", f.Code))
		}
	}
}
