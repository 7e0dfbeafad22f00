// Package sdk lets the vendor's own SDKs judge `notifier sandbox`: what they send must be understood, with the audience
// that their user meant, and where they send what the contract forbids, the strict sandbox must say so.
//
// There is code only in the tests; README.md says how to run them.
package sdk
