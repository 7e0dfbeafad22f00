package sandbox

import (
	"net/url"
	"slices"
	"strings"
)

// getuiPrefix holds the calls of Getui, on both hosts.
const getuiPrefix = "/v2"

func isGetui(path string) bool {
	return path == getuiPrefix || strings.HasPrefix(path, getuiPrefix+"/")
}

// laneAuth holds both calls about tokens, which need none.
const laneAuth = "auth"

// getuiRoute is one row of the endpoint index (section 3). A parameter is a whole
// segment of the path.
type getuiRoute struct {
	method, pattern string
	lane            string // as in section 9; faults name it
	body            bool   // a JSON object is required
	run             func(*getuiCall) (data any, refused *getuiRefusal)
}

// getuiRoutes leaves out what section 3 calls out of scope: those paths answer 404.
var getuiRoutes = []*getuiRoute{
	{"POST", "/auth", laneAuth, true, (*getuiCall).auth},
	{"DELETE", "/auth/{token}", laneAuth, false, (*getuiCall).dropToken},
	{"POST", "/push/single/cid", "single_cid", true, (*getuiCall).singleCID},
	{"POST", "/push/single/alias", "single_alias", true, (*getuiCall).singleAlias},
	{"POST", "/push/single/batch/cid", "batch_cid", true, (*getuiCall).batchCID},
	{"POST", "/push/single/batch/alias", "batch_alias", true, (*getuiCall).batchAlias},
	{"POST", "/push/list/message", "list_message", true, (*getuiCall).listMessage},
	{"POST", "/push/list/cid", "list_cid", true, (*getuiCall).listCID},
	{"POST", "/push/list/alias", "list_alias", true, (*getuiCall).listAlias},
	{"POST", "/push/all", "app_all", true, (*getuiCall).pushAll},
	{"POST", "/push/tag", "app_tag", true, (*getuiCall).pushTag},
	{"POST", "/push/fast_custom_tag", "app_fast_tag", true, (*getuiCall).pushFastTag},
	{"DELETE", "/task/{taskid}", "task_stop", false, (*getuiCall).stopTask},
	{"GET", "/task/schedule/{taskid}", "task_schedule", false, (*getuiCall).getSchedule},
	{"DELETE", "/task/schedule/{taskid}", "task_schedule", false, (*getuiCall).removeSchedule},
	{"GET", "/task/detail/{cid}/{taskid}", "task_detail", false, (*getuiCall).taskDetail},
	{"GET", "/report/push/task/{ids}", "report_task", false, (*getuiCall).reportTasks},
	{"GET", "/report/push/task/{ids}/detail", "report_detail", false, (*getuiCall).reportDetail},
	{"GET", "/report/push/task_group/{group}", "report_group", false, (*getuiCall).reportGroup},
	{"GET", "/report/push/date/{date}", "report_push_day", false, (*getuiCall).reportPushDay},
	{"GET", "/report/user/date/{date}", "report_user_day", false, (*getuiCall).reportUserDay},
	{"GET", "/report/online_user", "report_online", false, (*getuiCall).reportOnline},
	{"GET", "/report/push/count", "report_count", false, (*getuiCall).reportCount},
	{"POST", "/user/alias", "alias_bind", true, (*getuiCall).bindAlias},
	{"GET", "/user/alias/cid/{cid}", "alias_get", false, (*getuiCall).getAlias},
	{"GET", "/user/cid/alias/{alias}", "alias_get", false, (*getuiCall).getCIDs},
	{"DELETE", "/user/alias", "alias_unbind", true, (*getuiCall).unbindAlias},
	{"DELETE", "/user/alias/{alias}", "alias_unbind", false, (*getuiCall).unbindAll},
	{"POST", "/user/custom_tag/cid/{cid}", "tag_set_cid", true, (*getuiCall).setTags},
	{"PUT", "/user/custom_tag/batch/{tag}", "tag_batch_add", true, (*getuiCall).addTag},
	{"DELETE", "/user/custom_tag/batch/{tag}", "tag_batch_del", true, (*getuiCall).removeTag},
	{"GET", "/user/custom_tag/cid/{cid}", "tag_get", false, (*getuiCall).getTags},
	{"POST", "/user/black/cid/{cids}", "black", false, (*getuiCall).block},
	{"DELETE", "/user/black/cid/{cids}", "black", false, (*getuiCall).unblock},
	{"GET", "/user/status/{cids}", "user_status", false, (*getuiCall).userStatus},
	{"POST", "/user/badge/cid/{cids}", "user_badge", true, (*getuiCall).setBadge},
	{"POST", "/user/count", "user_count", true, (*getuiCall).countUsers},
}

func isGetuiPattern(path string) bool {
	return slices.ContainsFunc(getuiRoutes, func(r *getuiRoute) bool { return r.pattern == path })
}

// findRoute returns the route of a path below the appId and its parameters. Without
// one, known says whether the path has another method.
func findRoute(method string, segments []string) (route *getuiRoute, params []string, known bool) {
	for _, r := range getuiRoutes {
		if params, fits := matchPattern(r.pattern, segments); fits {
			known = true
			if r.method == method {
				return r, params, true
			}
		}
	}
	return nil, nil, known
}

func matchPattern(pattern string, segments []string) (params []string, fits bool) {
	want := strings.Split(pattern, "/")[1:]
	if len(want) != len(segments) {
		return nil, false
	}
	for i, w := range want {
		switch {
		case w[0] == '{' && segments[i] != "":
			params = append(params, segments[i])
		case w != segments[i]:
			return nil, false
		}
	}
	return params, true
}

// splitPath cuts a percent-encoded path below /v2 into decoded segments.
func splitPath(escaped string) []string {
	segments := strings.Split(strings.TrimPrefix(escaped, getuiPrefix+"/"), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil {
			segments[i] = plain
		}
	}
	return segments
}
