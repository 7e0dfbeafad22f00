package getui

import (
	"crypto/sha256"
	"encoding/hex"
)

// sign is what POST /auth proves the master secret with: the plain digest of the three, no separator, lower case.
func sign(appKey, timestamp, masterSecret string) string {
	sum := sha256.Sum256([]byte(appKey + timestamp + masterSecret))
	return hex.EncodeToString(sum[:])
}
