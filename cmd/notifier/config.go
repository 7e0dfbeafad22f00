package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/rules"
	"github.com/notifier/notifier/internal/settings"
)

func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "the settings: check, show with the origin of each value", Args: cobra.NoArgs,
		Example: `  notifier config check -c notifier.yaml
  notifier config show -c notifier.yaml`,
		RunE: wantsSub}
	cmd.AddCommand(
		newConfigCheckCmd(),
		newConfigShowCmd(),
	)
	return cmd
}

func newConfigCheckCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{Use: "check", Short: "find every error in the settings", Args: cobra.NoArgs,
		Example: `  notifier config check -c notifier.yaml
  notifier config check --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			lang, err := languageOf(cmd)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if err := jsonOrText(lang, format); err != nil {
				return err
			}
			out, err := coloured(cmd)
			if err != nil {
				return err
			}
			s, list := readSettings(cmd)
			if s != nil {
				list = append(list, unknownConsent(s, lang, cmd.ErrOrStderr())...)
			}
			return configCheck(cmd, s, list.Sorted(), format, lang, out)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

// unknownConsent looks for the fields that consent names in the catalogue, which lies with the rules. Where those are not at hand that is
// said: the daemon, which has them, does not start with a name that the catalogue does not have.
func unknownConsent(s *settings.Settings, lang diag.Lang, talk io.Writer) diag.List {
	if s.Consent == (settings.Consent{}) {
		return nil
	}
	files, list := rules.Read([]string{s.Rules})
	if list.Errors() > 0 || len(files) == 0 {
		fmt.Fprintf(talk, mostly(lang, "note: no rules in %s: the fields of `consent` are not checked\n", "提示：%s 里读不到规则，没有检查 `consent` 写的字段\n"), s.Rules)
		return nil
	}
	return rules.ConsentFindings(files, app.RuleOptions(s))
}

// configCheck tells what was found: it is the result of this command, and goes where results go.
func configCheck(cmd *cobra.Command, s *settings.Settings, list diag.List, format string, lang diag.Lang, out io.Writer) error {
	bad, accounts := s == nil || list.Errors() > 0, 0
	if s != nil {
		accounts = len(s.Accounts)
	}
	if format == "json" {
		err := printJSON(out, struct {
			Schema      string    `json:"schema"`
			File        string    `json:"file"`
			Accounts    int       `json:"accounts"`
			Errors      int       `json:"errors"`
			Warnings    int       `json:"warnings"`
			Diagnostics diag.List `json:"diagnostics"`
		}{"notifier.config-check/v1", settingsPath(cmd), accounts, list.Errors(), list.Warnings(), append(diag.List{}, list...)})
		if err == nil && bad {
			return &exitError{code: exitSettings}
		}
		return err
	}
	if err := diag.WriteText(out, list, lang); err != nil {
		return err
	}
	if bad {
		return badSettings(cmd)
	}
	_, err := fmt.Fprintf(out, mostly(lang, "%s: ok, %s\n", "%s：没有错误，%s\n"), settingsPath(cmd), mostly(lang, many(accounts, "account"), fmt.Sprintf("%d 个账号", accounts)))
	return err
}

func newConfigShowCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{Use: "show", Short: "every value and where it comes from; secrets are ***", Args: cobra.NoArgs,
		Example: `  notifier config show -c notifier.yaml
  notifier config show --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := jsonOrText(spoken(cmd), format); err != nil {
				return err
			}
			s, err := loadSettings(cmd)
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]any{"schema": "notifier.config/v1", "settings": s.Entries})
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, e := range s.Entries {
				fmt.Fprintf(w, "%s\t%s\t%s\n", e.Path, e.Value, e.Origin)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}
