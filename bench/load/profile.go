package load

import (
	"fmt"
	"math/rand/v2"
)

// ProfileTopic is the profile events' topic in the catalogue.
const ProfileTopic = "bench.profiles"

// Profile is the profile event of the i-th user: five short fields in about 300 bytes.
func Profile(seed uint64, i int, at int64) (user string, event []byte) {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	user = fmt.Sprintf("u-%06d", i)
	return user, fmt.Appendf(nil, `{"schema":"profile/2","event_id":"p-%09d","ts":%d,"user_id":%q,"trace":"%016x%016x","source":"app-%02d",`+
		`"profile":{"city":"c%02d","level":"l%d","lang":"zh-%02d","gender":"g%d","points":%d},"reason":"the user saved the form","operator":"self"}`,
		i, at, user, r.Uint64(), r.Uint64(), r.IntN(40), r.IntN(20), r.IntN(3), r.IntN(30), r.IntN(3), r.IntN(10_000))
}
