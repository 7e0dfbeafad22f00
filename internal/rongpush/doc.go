// Package rongpush is the typed requests of the RongCloud server API: tags, pushes, messages and broadcasts, on top of
// the signed call of package rongcloud.
//
// Each request is a value that can show exactly what would leave (Endpoint, Receivers, Body) without sending it, so a
// dry run, a golden file and a call are the same bytes. Names and their cases differ from endpoint to endpoint at the
// vendor (fromuserid here, fromUserId there; alert here, pushContent there; hw here, HW there): each request spells
// its own, and nothing is shared that only looks alike.
//
// A request that breaks a documented limit is refused here with an *InvalidError and never reaches the vendor; the
// vendor's codes are never imitated. An audience can only be All, Users or a Filter, so is_to_all never stands beside
// another criterion, which the vendor would ignore in favour of everybody. Cutting lists into calls, pacing and quota
// stay with the caller; the limits are constants here.
package rongpush
