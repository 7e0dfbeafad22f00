package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/doctor"
)

func newDoctorCmd() *cobra.Command {
	var format, lang, bundle string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Kafka, credentials, clock, disk, zone data: each finding ends with the command that mends it",
		Long: `Looks at all that the daemon needs and changes nothing: settings, rule files, every broker, our rights and topics there, the
vendors' credentials by one signed read-only call for each account, clocks, zone data, disk. Needs no running daemon.
Exit 0: at most warnings; 1 findings; 3 settings or credentials; 4 Kafka or a vendor cannot be reached.`,
		Example: `  notifier doctor
  notifier doctor -c notifier.yaml --format json
  notifier doctor --bundle doctor.tar.gz     for whoever helps: no secret, event or user is in it`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := language(lang, os.Environ())
			if err != nil {
				return &exitError{exitUsage, err}
			}
			if err := jsonOrText(l, format); err != nil {
				return err
			}
			if bundle != "" { // before anything else: not after a minute of looking
				if _, err := os.Lstat(bundle); !errors.Is(err, fs.ErrNotExist) {
					return &exitError{exitUsage, fmt.Errorf("%s is there already: name another file with --bundle", bundle)}
				}
			}
			ctx := cmd.Context()
			r, s := doctor.Run(ctx, doctor.Options{Path: settingsPath(cmd), Env: os.Environ(), Now: time.Now, Version: app.Version})
			if format == "json" {
				err = printJSON(cmd.OutOrStdout(), r)
			} else {
				err = r.WriteText(cmd.OutOrStdout(), l)
			}
			if err != nil {
				return err
			}
			if bundle != "" {
				f, err := os.OpenFile(bundle, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if err != nil {
					return &exitError{exitUsage, fmt.Errorf("--bundle: %w", err)}
				}
				if err := errors.Join(doctor.WriteBundle(ctx, f, r, s), f.Close()); err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "written: %s\n", bundle)
			}
			if code := r.Exit(); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().StringVar(&lang, "lang", "", "en, zh or both; else the locale decides")
	cmd.Flags().StringVar(&bundle, "bundle", "", "write a report without secrets to this file, a tar.gz that must not exist yet")
	return cmd
}
