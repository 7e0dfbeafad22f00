// Command exprs prints the queries of Grafana dashboards as a Prometheus rule file, so that promtool can say whether they are PromQL.
//
//	go run ./test/deploy/exprs deploy/grafana/*.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "exprs:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	fmt.Println("groups:\n  - name: dashboards\n    rules:")
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		var board any
		if err := json.Unmarshal(b, &board); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		for _, e := range exprs(board) {
			quoted, err := json.Marshal(strings.ReplaceAll(e, "$lane", ".*"))
			if err != nil {
				return err
			}
			n++
			fmt.Printf("      - {record: 'dashboard:expr:%d', expr: %s}\n", n, quoted)
		}
	}
	if n == 0 {
		return fmt.Errorf("no queries in %v", files)
	}
	return nil
}

// exprs gives all values of keys expr, however deep.
func exprs(v any) (out []string) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			out = append(out, exprs(x)...)
		}
	case map[string]any:
		if e, ok := v["expr"].(string); ok {
			out = append(out, e)
		}
		for _, x := range v {
			out = append(out, exprs(x)...)
		}
	}
	return out
}
