package ports

import (
	"net"
	"strconv"
	"testing"
)

// A port on which somebody listens is not given, none is given twice, and none is one that the system may give to somebody else.
func TestFree(t *testing.T) {
	one, err := Free(1)
	if err != nil {
		t.Fatal(err)
	}
	taken := one[0]
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(taken)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	next = taken // as another process would begin
	seen := map[int]bool{}
	for range 3 {
		got, err := Free(100)
		if err != nil || len(got) != 100 {
			t.Fatalf("%d ports: %v", len(got), err)
		}
		for _, p := range got {
			if p == taken || seen[p] || p < first || p > last {
				t.Errorf("port %d: taken %v, given before %v", p, p == taken, seen[p])
			}
			seen[p] = true
		}
	}
}
