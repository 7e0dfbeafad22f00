package rongcloud

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// fixtures is the part of rongcloud-fixtures.json that concerns the client.
type fixtures struct {
	Vectors []struct {
		ID, Secret, Nonce, Timestamp, SHA1, Note string
		Negative                                 bool
	} `json:"signing_vectors"`
}

func readFixtures(t *testing.T) fixtures {
	t.Helper()
	b, err := os.ReadFile("../../testdata/rongcloud/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var f fixtures
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSigningVectors(t *testing.T) {
	vectors := readFixtures(t).Vectors
	if len(vectors) != 5 {
		t.Fatalf("%d vectors, want 5", len(vectors))
	}
	for _, v := range vectors {
		if got := signature(v.Secret, v.Nonce, v.Timestamp); got != v.SHA1 {
			t.Errorf("%s: signature = %s, want %s", v.ID, got, v.SHA1)
		}
		if v.Negative && v.SHA1 == "890b422b75c1c5cb706e4f7921df1d94e69c17f4" {
			t.Errorf("%s: the placeholder hash of the vendor's samples is no vector", v.ID)
		}
	}
}

func TestNonceIsUniqueAndFits(t *testing.T) {
	seen := make(map[string]bool)
	for range 1_000_000 {
		n := newNonce()
		if len(n) != 18 || strings.Trim(n, "0123456789") != "" {
			t.Fatalf("nonce %q: want 18 digits", n)
		}
		if seen[n] {
			t.Fatalf("nonce %q came twice", n)
		}
		seen[n] = true
	}
}
