package sandbox

import (
	"slices"
	"strings"
)

// The notification structures of section 5, one table per node. JSON bodies use
// lower-case vendor keys and "android.hw"; pushExt in forms uses upper-case keys
// in an array: the vendor has two dialects for the same thing.
var (
	title        = text(0, 50, 0)
	interruption = oneOf(`"passive"`, `"active"`, `"time-sensitive"`, `"critical"`)
	upperCase    = matching(`^[A-Z_]+$`, "upper-case letters")

	iosNode = object(
		opt("title", title),
		opt("alert", someText),
		opt("contentAvailable", flag),
		opt("badge", integer(9999)),
		opt("thread-id", anyText),
		opt("apns-collapse-id", anyText),
		opt("category", anyText),
		opt("richMediaUri", anyText),
		opt("interruption-level", interruption),
		opt("extras", anyObject),
	)

	importance = oneOf(`"NORMAL"`, `"LOW"`)

	androidNode = object(
		opt("alert", someText),
		opt("honor", object(
			opt("importance", importance),
			opt("image", httpsURL),
		)),
		opt("hw", object(
			opt("channelId", anyText),
			opt("importance", importance),
			opt("image", httpsURL),
			opt("category", upperCase),
		)),
		opt("mi", object(
			opt("channelId", anyText),
			opt("large_icon_uri", anyText),
		)),
		opt("oppo", object(
			opt("channelId", anyText),
			opt("category", anyText),
			opt("notify_level", oneOf(`1`, `2`, `16`)),
		)),
		opt("vivo", both(object(
			opt("classification", oneOf(`"0"`, `"1"`)),
			opt("category", anyText),
		), vivoCategory)),
		opt("fcm", object(
			opt("channelId", anyText),
			opt("collapse_key", anyText),
			opt("imageUrl", anyText),
		)),
		opt("extras", anyObject),
	)

	harmonyNode = object(
		opt("alert", someText),
		opt("ohos", object(
			opt("category", anyText),
			opt("image", httpsURL),
		)),
		opt("extras", anyObject),
	)

	// notification is the root of E4 and E11.
	notification = notificationRoot("alert")
	// userNotification is the root of E7: pushContent instead of alert.
	userNotification = notificationRoot("pushContent")

	// pushExt is the object inside the string of the form endpoints (5.3).
	pushExt = object(
		opt("title", title),
		opt("templateId", anyText),
		opt("forceShowPushContent", flag),
		opt("pushConfigs", list(0, 0, both(object(
			opt("MI", object(opt("channelId", anyText), opt("large_icon_uri", anyText))),
			opt("HONOR", object(opt("importance", importance), opt("image", httpsURL))),
			opt("HW", object(opt("channelId", anyText), opt("importance", importance), opt("image", httpsURL), opt("category", upperCase))),
			opt("OPPO", object(opt("channelId", anyText), opt("category", anyText))),
			opt("VIVO", both(object(opt("classification", oneOf(`"0"`, `"1"`)), opt("category", anyText)), vivoCategory)),
			opt("APNs", object(opt("thread-id", anyText), opt("apns-collapse-id", anyText), opt("richMediaUri", anyText), opt("interruption-level", interruption))),
			opt("FCM", object(opt("channelId", anyText), opt("collapse_key", anyText), opt("imageUrl", anyText))),
			opt("OHOS", object(opt("category", anyText), opt("image", httpsURL))),
		), singleKey))),
	)
)

// notificationRoot is 5.1 with the name of its one required text.
func notificationRoot(textField string) check {
	return object(
		opt("title", title),
		opt("forceShowPushContent", flag),
		req(textField, someText),
		opt("ios", iosNode),
		opt("android", androidNode),
		opt("harmonyOS", harmonyNode),
	)
}

// vivoCategory: "category requires a matching classification" (5.1).
func vivoCategory(_ bool, at string, v any) *refusal {
	m, _ := v.(map[string]any)
	_, category := m["category"]
	if _, classification := m["classification"]; category && !classification {
		return wrong(join(at, "classification"), "is required beside category")
	}
	return nil
}

func singleKey(_ bool, at string, v any) *refusal {
	if m, _ := v.(map[string]any); len(m) != 1 {
		return wrong(at, "must be an object with exactly one key")
	}
	return nil
}

// platform accepts the wire literals ios and android, and harmonyos in any case,
// since no vendor text shows its literal. Lenient mode takes any case of
// all three, as the vendor's prose writes them.
func platform(lenient bool, at string, v any) *refusal {
	s, _ := v.(string)
	if lenient || strings.EqualFold(s, "harmonyos") {
		s = strings.ToLower(s)
	}
	if !slices.Contains([]string{"ios", "android", "harmonyos"}, s) {
		return wrong(at, "must be ios, android or harmonyos")
	}
	return nil
}

// unique refuses equal items, compared without case.
func unique(_ bool, at string, v any) *refusal {
	items, _ := v.([]any)
	seen := map[string]bool{}
	for _, x := range items {
		s, _ := x.(string)
		if s = strings.ToLower(s); seen[s] {
			return wrong(at, "names %s twice", s)
		}
		seen[s] = true
	}
	return nil
}

var platforms = both(list(1, 0, platform), unique)
