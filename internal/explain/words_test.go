package explain

import "testing"

// A field without a value is told in Chinese; what the event or the rule has in quotation marks stays.
func TestSeenInChinese(t *testing.T) {
	t.Parallel()
	for en, want := range map[string]string{
		`812.00 > 500`:                          `812.00 > 500`,
		`(missing ?? 0) > 500 → false`:          `(没有 ?? 0) > 500 → false`,
		`not has(missing)`:                      `not has(没有)`,
		`changed(unknown → "unknown") → false`:  `changed(没有人说过 → "unknown") → false`,
		`changed("a \" unknown" → absent)`:      `changed("a \" unknown" → 没有)`,
		`missing in ["missing", "b missing c"]`: `没有 in ["missing", "b missing c"]`,
		`"没有" == "unknown, (absent)"`:           `"没有" == "unknown, (absent)"`,
		``:                                      ``,
	} {
		if got := seenZH(en); got != want {
			t.Errorf("%s is %s, want %s", en, got, want)
		}
	}
}
