package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newConfigCmd() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "the settings: check, show with the origin of each value", Args: cobra.NoArgs,
		Example: `  notifier config check -c notifier.yaml
  notifier config show -c notifier.yaml`,
		RunE: wantsSub}
	cmd.AddCommand(
		&cobra.Command{Use: "check", Short: "find every error in the settings", Args: cobra.NoArgs, Example: `  notifier config check -c notifier.yaml`,
			RunE: func(cmd *cobra.Command, _ []string) error {
				s, err := loadSettings(cmd)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %s\n", settingsPath(cmd), many(len(s.Accounts), "account"))
				return err
			}},
		newConfigShowCmd(),
	)
	return cmd
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
