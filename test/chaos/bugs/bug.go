package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bug is one planted bug: a patch of the product, and the check that must fail once it is applied.
//
// A file begins with a line that names the bug, a line "check: ..." and a line "want: ..."; the patch follows. A check is
//
//	chaos            the crash test; it doubles the kills until the audit finds something that contains want
//	sim NAME         test NAME of test/sim
//	test PKG NAME    test NAME of a package of the product
type Bug struct {
	File  string
	Name  string
	Check []string
	Want  string // what the output of the failing check must contain
}

// readBugs reads all patches of a folder.
func readBugs(dir string) ([]Bug, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var bugs []Bug
	for _, f := range files {
		b, err := readBug(f)
		if err != nil {
			return nil, err
		}
		bugs = append(bugs, b)
	}
	return bugs, nil
}

func readBug(file string) (Bug, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Bug{}, err
	}
	b := Bug{File: file}
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan() && !strings.HasPrefix(in.Text(), "diff "); {
		key, value, _ := strings.Cut(in.Text(), ": ")
		switch {
		case key == "check":
			b.Check = strings.Fields(value)
		case key == "want":
			b.Want = value
		case b.Name == "":
			b.Name = in.Text()
		}
	}
	n := len(b.Check)
	known := n > 0 && (b.Check[0] == "chaos" && n == 1 || b.Check[0] == "sim" && n == 2 || b.Check[0] == "test" && n == 3)
	if !known || b.Name == "" || b.Want == "" {
		return b, fmt.Errorf("%s: want a name, a check and a want above the patch", file)
	}
	return b, nil
}

// Layer is where the bug is found.
func (b Bug) Layer() string {
	switch b.Check[0] {
	case "chaos":
		return "L3 chaos"
	case "sim":
		return "L2 sim"
	}
	return "L0/L1 " + strings.TrimPrefix(b.Check[1], "./internal/")
}
