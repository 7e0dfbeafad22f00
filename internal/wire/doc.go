// Package wire is HTTP/1.1 over a few connections of our own, for vendor clients that must know of every request whether a byte
// of it left this process. It knows no vendor.
//
// It is not http.Transport, because four facts have to be known or decided here that the Transport hides: whether a byte of the
// request left; how many requests a connection has carried and how long it has lived; that nothing is ever replayed or redirected;
// and that a cancelled connection is reset, so that the kernel does not deliver it after we gave up. Parsing and framing are
// net/http's.
//
// Signing, what an answer means, and whether to try again stay with the caller.
package wire
