package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
)

// sendOld is what is typed to send what an older revision of a rule made.
const sendOld = "send old"

func newResumeCmd() *cobra.Command {
	var c changeFlags
	var old bool
	cmd := &cobra.Command{
		Use:   "resume SCOPE",
		Short: "let go on what was paused",
		Long: `What the pause holds goes on, and a lane that the vendor did not serve (service not enabled) is tried at once. What a rule made before it was edited is evaluated again first, with the rule as it is now: if the
rule does not match any more, or says something else, it is SUPPRESSED(superseded-by-rule-change). The same becomes of what cannot be
evaluated again, because its record is deleted or it came of a profile event. To send it as it was made, type "send old" when
asked, or give --send-old.`,
		Example: `  notifier resume broadcasts --why "text mended"
  notifier resume rule/vip-thanks --why "the old text is right" --send-old`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return noScope(cmd, mostly(spoken(cmd), "SCOPE is missing: say what to let go on", "缺少范围：请写要恢复什么"))
			}
			scope := args[0]
			r, _, err := changing(cmd, scope, c)
			if err != nil {
				return err
			}
			what, words := "resume "+scope+`: what was made before its rule was edited is evaluated again first (or type "`+sendOld+`" to send it as it is)`, []string{scope, sendOld}
			if old {
				what, words = fmt.Sprintf("resume %s: what was made before its rule was edited is sent as it is", scope), []string{sendOld}
			}
			word, err := confirmOne(cmd, c.yes, what, words...)
			if err != nil {
				return err
			}
			command := ledger.Command{Cmd: ledger.CmdResume, Target: scope, By: c.by, Why: c.why}
			if word == sendOld {
				command.Args = map[string]string{ledger.ArgSend: ledger.SendOld}
			}
			answers, err := r.Send(cmd.Context(), command, -1, answerWait)
			return printAnswers(cmd, "resume "+scope, answers, err)
		},
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&old, "send-old", false, "do not evaluate again what was made before its rule was edited")
	return cmd
}

// beingResumed says of a pause that it is being lifted.
func beingResumed(p ledger.Pause, lang diag.Lang) string {
	if p.Resuming == nil {
		return ""
	}
	return fmt.Sprintf(mostly(lang, "  being resumed by %s: what was made before the edit is evaluated again", "  正由 %s 恢复：修改之前生成的先重新判断"), p.Resuming.By)
}
