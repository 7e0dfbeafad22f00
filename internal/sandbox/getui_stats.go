package sandbox

// GetuiStats adds what a test may assert of a client (section 13.6). Except for the
// counts of calls to /auth, each is 0 for a client that behaves.
type GetuiStats struct {
	VendorStats
	AuthCalls           int `json:"auth_calls"`           // attempts
	AuthCallsMaxDay     int `json:"auth_calls_max_day"`   // most attempts of one app in one day in China
	DuplicateDeliveries int `json:"duplicate_deliveries"` // a device reached again under one request_id
	CallsWhileClosed    int `json:"calls_while_closed"`   // calls to a lane within a window whose quota had already refused one
	ForcedRevokes       int `json:"forced_revokes"`       // messages with revoke.force true, which clears all notifications of the app
	ScheduledCalls      int `json:"scheduled_calls"`      // messages with schedule_time
	WithoutOverlay      int `json:"without_overlay"`      // visible messages without notify_id or apns-collapse-id
	OversizedCalls      int `json:"oversized_calls"`      // batches above 200, lists above 1000
}
