package rongcloud

import (
	"crypto/rand"
	"crypto/sha1" // the vendor's choice
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// nonceDigits is the documented maximum length of a nonce (rongcloud.md 1).
const nonceDigits = 18

// newNonce gives 18 random decimal digits.
func newNonce() string {
	const span = 1_000_000_000_000_000_000 // 10^18; 18 of them fit a uint64, the rest is thrown again so that no digit is likelier
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		if v := binary.BigEndian.Uint64(b[:]); v < 18*span {
			return fmt.Sprintf("%0*d", nonceDigits, v%span)
		}
	}
}

// signature is lower-case hex of SHA1(secret + nonce + timestamp). Nothing else of a request is signed, so TLS is the
// only protection of path and body.
func signature(secret, nonce, timestamp string) string {
	sum := sha1.Sum([]byte(secret + nonce + timestamp))
	return hex.EncodeToString(sum[:])
}
