package broker

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Version of Kafka that pom.xml asks for; a new version gets a new folder in the cache.
const Version = "4.3.1"

//go:embed pom.xml
var pom []byte

//go:embed log4j2.properties
var log4j []byte

// Tools reports which of the programs the cluster needs are missing, as one error that says what to install.
func Tools() error {
	var missing []error
	for _, t := range []struct{ name, what string }{
		{"java", "a JDK or JRE 17 or newer, to run Kafka"},
		{"mvn", "Apache Maven, to fetch Kafka's jars"},
	} {
		if _, err := exec.LookPath(t.name); err != nil {
			missing = append(missing, fmt.Errorf("%s is not on the PATH: install %s", t.name, t.what))
		}
	}
	return errors.Join(missing...)
}

// Fetch copies the broker's jars into cache (once) and returns their folder. Maven does the download, with whatever
// mirror its own settings name. Runs at the same time do not disturb each other: each fills a folder of its own,
// and the rename is atomic.
func Fetch(ctx context.Context, cache string) (string, error) {
	cache, err := filepath.Abs(cache) // Maven takes a relative folder from the pom's place
	if err != nil {
		return "", fmt.Errorf("fetch kafka: %w", err)
	}
	lib := filepath.Join(cache, "kafka-"+Version)
	if _, err := os.Stat(lib); err == nil {
		return lib, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("fetch kafka: %w", err)
	}
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", fmt.Errorf("fetch kafka: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.WriteFile(filepath.Join(tmp, "pom.xml"), pom, 0o644); err != nil {
		return "", fmt.Errorf("fetch kafka: %w", err)
	}
	jars := filepath.Join(tmp, "lib")
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", filepath.Join(tmp, "pom.xml"),
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+jars)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch kafka %s with mvn: %w\n%s", Version, err, out)
	}
	if err := os.Rename(jars, lib); err != nil {
		if _, other := os.Stat(lib); other == nil {
			return lib, nil // somebody else was faster
		}
		return "", fmt.Errorf("fetch kafka: %w", err)
	}
	return lib, nil
}
