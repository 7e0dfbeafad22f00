package sandbox

// Stats are the counters since start or reset, per vendor.
type Stats struct {
	RongCloud VendorStats `json:"rongcloud"`
	Getui     GetuiStats  `json:"getui"`
}

// VendorStats is what an audit asks of one vendor.
type VendorStats struct {
	Calls              int `json:"calls"`                // arrivals, refused ones included
	Executed           int `json:"executed"`             // calls that took effect
	RefusedByQuota     int `json:"refused_by_quota"`     // refusals of the vendor's own quotas, not of faults
	Overruns           int `json:"overruns"`             // executed beyond a documented limit, recounted apart
	Doubles            int `json:"doubles"`              // a non-repeatable endpoint executed again for one app and call id
	RequestIDConflicts int `json:"request_id_conflicts"` // one X-Request-ID, at Getui one request_id, with another path or body
	Deliveries         int `json:"deliveries"`           // RongCloud: named receivers, an audience counts as one; Getui: devices
	MaxPerConnection   int `json:"max_per_connection"`   // most vendor calls on one connection
}
