package rongcloud

import (
	"fmt"
	"slices"
	"strings"
)

// dataCenters is the vendor's table (rongcloud.md 2): the primary host, then its backup. An App Key belongs to one
// data centre; the two hosts of one centre are interchangeable.
var dataCenters = []struct {
	name  string
	hosts []string
}{
	{"beijing", []string{"https://api.rong-api.com", "https://api-b.rong-api.com"}},
	{"singapore", []string{"https://api.sg-light-api.com", "https://api-b.sg-light-api.com"}},
	{"singapore-b", []string{"https://api.sg-b-light-api.com", "https://api-b.sg-b-light-api.com"}},
	{"north-america", []string{"https://api.us-light-api.com", "https://api-b.us-light-api.com"}},
	{"saudi-arabia", []string{"https://api.sau-light-api.com", "https://api-b.sau-light-api.com"}},
}

// DataCenter gives the base URLs of a data centre, primary first.
func DataCenter(name string) ([]string, error) {
	names := make([]string, len(dataCenters))
	for i, dc := range dataCenters {
		if dc.name == name {
			return slices.Clone(dc.hosts), nil
		}
		names[i] = dc.name
	}
	return nil, fmt.Errorf("rongcloud: no data centre %q; there are %s (the console's App Key page names yours)", name, strings.Join(names, ", "))
}
