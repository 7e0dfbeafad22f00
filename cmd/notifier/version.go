package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
)

func newVersionCmd() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "version, revision and Go version",
		Example: `  notifier version | cut -d ' ' -f 2
  notifier version --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := jsonOrText(spoken(cmd), format); err != nil {
				return err
			}
			v, revision, gov := app.BuildInfo()
			if format == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]string{"schema": "notifier.version/v1", "version": v, "revision": revision, "go": gov})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "notifier %s (%s, %s)\n", v, revision, gov)
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}
