package rongcloud

import (
	"fmt"
	"strings"
	"testing"
)

func TestAClientIsPrintedWithoutItsSecret(t *testing.T) {
	s := NewSecret("sandbox-secret-01")
	c := newClient(t, Options{Hosts: []string{"https://a.example"}, Secret: func() Secret { return s }})
	if got := fmt.Sprintf("%v %+v %#v %v %+v", c, c, c, s, []Secret{s}); strings.Contains(got, "sandbox-secret-01") || !strings.HasSuffix(got, "*** [***]") {
		t.Errorf("printed as %s", got)
	}
}
