// Package getui is the Getui (个推) push REST API V2: the token, the call, and typed requests.
//
// It promises to answer one question for every call: did the vendor act, no, yes or unknown? What tells is the JSON `code` of the
// answer together with the lane of the call, hardly ever the HTTP status: throttling comes as HTTP 401 and failures come as HTTP 200.
// A request of which no byte left is NotSent. An outcome that is no complete, understood answer is RetrySafe where the vendor drops
// repeats by request_id or the call may be repeated anyway, and Unknown where it may not (list pushes). Nothing is sent twice here,
// except once more after code 10001, which is a refusal before any work.
//
// A request is a value that shows exactly what would leave (Endpoint, Path, Body) without sending it. One that breaks a documented
// limit is refused with an *InvalidError and never reaches the vendor. A visible notification without its overlay ids (notify_id,
// apns-collapse-id) is refused too: they make a repeat that slips through the vendor's filter replace the first one on the device.
//
// Token, sign and master secret are never printed. Pacing, quota, retry with back-off and cutting lists into calls stay with the
// caller; the limits are constants here.
package getui
