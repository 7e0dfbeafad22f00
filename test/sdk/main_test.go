package sdk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// shared is what all tests use: the notifier binary and the vendor's SDKs, ready to run.
var shared struct {
	notifier   string
	java, node command
}

// command starts java/Vendor.java or node/vendor.js.
type command struct {
	args []string
	env  []string
}

// TestMain fetches and builds once. What is missing fails the run: a suite that skips itself silently proves nothing.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "notifier-sdk-")
	if err == nil {
		err = setUp(dir)
	}
	if err != nil {
		os.RemoveAll(dir)
		fmt.Fprintf(os.Stderr, "sdk: cannot run: %v\n", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func setUp(dir string) error {
	if err := tools(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute) // the first run downloads some 8 MB
	defer cancel()

	shared.notifier = filepath.Join(dir, "notifier")
	if err := run(ctx, filepath.Join("..", ".."), "go", "build", "-o", shared.notifier, "./cmd/notifier"); err != nil {
		return err
	}
	jars, err := fetchJava(ctx)
	if err != nil {
		return err
	}
	classes := filepath.Join(dir, "classes")
	jars = filepath.Join(jars, "*")
	if err := run(ctx, ".", "javac", "-nowarn", "-encoding", "UTF-8", "-cp", jars, "-d", classes, filepath.Join("java", "Vendor.java")); err != nil {
		return err
	}
	shared.java = command{args: []string{"java", "-Dfile.encoding=UTF-8", "-cp", classes + string(os.PathListSeparator) + jars, "Vendor"}}

	packages, err := fetchNode(ctx)
	if err != nil {
		return err
	}
	shared.node = command{
		args: []string{"node", filepath.Join("node", "vendor.js")},
		env:  []string{"NODE_PATH=" + filepath.Join(packages, "node_modules")},
	}
	return nil
}
