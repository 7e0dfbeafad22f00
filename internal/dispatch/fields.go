package dispatch

import (
	"strings"

	"go.uber.org/zap"

	"github.com/notifier/notifier/internal/intent"
)

// The keys of stage 2's log fields, in one place.
func laneField(v string) zap.Field    { return zap.String("lane", v) }
func accountField(v string) zap.Field { return zap.String("account", v) }
func reasonField(v string) zap.Field  { return zap.String("reason", v) }
func detailField(v string) zap.Field  { return zap.String("detail", v) }
func attemptField(v string) zap.Field { return zap.String("attempt", v) }
func ruleField(v string) zap.Field    { return zap.String("rule", v) }

func eventField(v string) zap.Field { return zap.String("event", v) }

// eventField names the event of a call's only member. Of several each has a line of its own, once its fate is known (debug).
func (c *call) eventField() zap.Field {
	if len(c.items) != 1 {
		return zap.Skip()
	}
	return eventField(c.items[0].p().Intent.Event.ID)
}

// intentField names an intent without its target: a log has no users. Topic, partition, offset and rule find it in the fates.
func intentField(v intent.ID) zap.Field {
	parts := strings.SplitN(string(v), "/", 5)
	return zap.String("intent", strings.Join(parts[:min(4, len(parts))], "/"))
}
