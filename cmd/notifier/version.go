package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
)

func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "version, revision and Go version",
		Example: "  notifier version | cut -d ' ' -f 2",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, revision, gov := app.BuildInfo()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "notifier %s (%s, %s)\n", v, revision, gov)
			return err
		},
	}
}
