package rules

import (
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

// The paths of other programs and keyboards are named with the one that was meant.
func TestPathsOfOtherPrograms(t *testing.T) {
	for path, want := range map[string]string{
		"$.data.amount_fen": "data.amount_fen", "$": "", "/data/user/id": "data.user.id", "data，amount_fen": "data.amount_fen", "data。amount": "data.amount", "data．x、y：z": "data.x.y.z",
		"$.items[*].name": "items.#.name", "data.items[].name": "data.items.#.name", "data.items[0].name": "data.items.0.name", "data['user'].id": "data.user.id", `$["data"]["id"]`: "data.id",
		"data.*.name": "", "data|@this": "", "${data.x}": "", "data..x": "", "data.": "",
		"data.user.id": "right", "data.items.#.name": "right", "_id.$oid": "right", "$oid": "right", "data.金额（元）": "right", "a/b": "right", "Order ID": "right", "header.trace-id": "right", "key": "right",
	} {
		got := "right"
		if !isPath(path) {
			if got = meantPath(path); !isPath(got) {
				got = ""
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// Of what a sample lacks only that is told which it seems to have under another path.
func TestPathsThatTheSampleDoesNotHave(t *testing.T) {
	sample := `{"id": "1", "user": "u", "at": 1, "data": {"amount_fen": 50, "receiver": {"city": "x"}, "level": "VIP", "note": null, "a.b": 1}, "tags": ["x"]}`
	for field, want := range map[string]string{
		"{path: data.amount_fen, type: number}": "",
		"data.amout_fen":                        "W610 data.amount_fen",
		"dta.amount_fen":                        "W610 data.amount_fen",
		"data.Amount_fen":                       "W610 data.amount_fen",
		"amount_fen":                            "W610 data.amount_fen", // the way to it is missing
		"data.city":                             "W610 data.receiver.city",
		"tgs":                                   "W610 tags",
		"{path: data.amout_fen, type: number, default: '0'}": "", // it may be missing
		"data.coupon":        "",
		"data.receiver.name": "",
		"data.note":          "",
		"header.trace":       "",
		"ida":                "", // id is read already
		"{path: data.level, values: [normal, vip]}": "W610 ",
		"{path: data.level, type: number}":          "W610 ",
		"{path: data.receiver, type: list}":         "W610 ",
		"data.receiver":                             "W610 ",
	} {
		events := "version: 1\nevents:\n  order.paid:\n    topic: orders\n    id: id\n    time: at\n    user: user\n    fields: {x: " + field + "}\n    sample: s.json\n"
		_, l := LoadFiles([]File{{"events.yaml", []byte(events)}, {"s.json", []byte(sample)}}, demoAccount())
		got := ""
		for _, d := range l {
			if d.Severity == diag.Warning {
				got += d.Code + " " + d.Fix
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q\n%s", field, got, want, show(l))
		}
	}
}
