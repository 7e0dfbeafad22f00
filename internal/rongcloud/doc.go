// Package rongcloud is the signed HTTP call to the RongCloud (融云) server API, and nothing of what is in a body.
//
// It promises to answer one question for every call: did the request reach the vendor, yes, no or unknown? A push
// there has no idempotency key and no status query, so a request whose first byte may have left is never sent again
// by this package, and an outcome that is not a complete, understood answer is Unknown (or RetrySafe where the
// endpoint may be repeated). A request that certainly never left (DNS, refused, TLS, time over before the first byte)
// is sent once more, to the data centre's other host, freshly signed, within the same Call.
//
// Connections, and whether a byte of a request left, are package wire's.
//
// Pacing, quota, retry with back-off and what to do about a class stay with the caller; the requests themselves are
// in package rongpush.
package rongcloud
