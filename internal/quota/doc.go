// Package quota is the arithmetic of the vendors' limits: when may the next call start, so that no
// placement of all arrivals inside their possible times exceeds any limit.
//
// The vendor counts a call when it arrives, and we only know bounds of that: a call that started at From
// and was answered at To arrived somewhere between; one without an answer may still arrive until
// notAfter + late. So a [Charge] is an interval, and [Free] asks whether ANY choice of one instant in each
// interval could break a limit. Charges are independent of each other, so the worst case is exact: a window
// holds every charge whose interval touches it.
//
// The guard widens window edges. It pays for clocks that disagree: with every clock within s of the
// vendor's, differences of two stamps are off by up to 2s, so a guard of 2s or more keeps the promise.
//
// Two tools: Free and [Used] for scarce lanes (a handful of charges, kept 48 h), [Pacer] for lanes counted
// per second. Nothing here reads a clock, starts a goroutine or keeps a lock: `now` is an argument and one
// owner calls.
package quota
