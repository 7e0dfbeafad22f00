package rongpush

// Goldens are the requests of the golden files, for the tests against the sandbox.
var Goldens = goldens
