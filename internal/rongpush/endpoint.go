package rongpush

import "github.com/notifier/notifier/internal/rongcloud"

// The endpoints, with what may be done with a call to them. The scarce ones take a fresh connection, so that a
// connection which the vendor is just closing cannot cost one of three slots a day.
var (
	TagSet           = rongcloud.Endpoint{Path: "/user/tag/set.json", Repeatable: true}
	TagBatchSet      = rongcloud.Endpoint{Path: "/user/tag/batch/set.json", Repeatable: true}
	TagsGet          = rongcloud.Endpoint{Path: "/user/tags/get.json", Repeatable: true}
	Push             = rongcloud.Endpoint{Path: "/push.json", Fresh: true}
	PushUser         = rongcloud.Endpoint{Path: "/push/user.json"}
	BroadcastMessage = rongcloud.Endpoint{Path: "/message/broadcast.json", Fresh: true}
	OnlineMessage    = rongcloud.Endpoint{Path: "/message/online/broadcast.json"}
	SystemPublish    = rongcloud.Endpoint{Path: "/message/system/publish.json"}
	SystemTemplate   = rongcloud.Endpoint{Path: "/message/system/publish_template.json"}
	BroadcastRecall  = rongcloud.Endpoint{Path: "/message/broadcast/recall.json", Fresh: true}
	PushCustom       = rongcloud.Endpoint{Path: "/push/custom.json"}
)
