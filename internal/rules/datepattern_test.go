package rules

import "testing"

// What other programs write for a date is known for what it means here; what is right stays as it is.
func TestPatternsOfDatesOfOtherPrograms(t *testing.T) {
	for src, want := range map[string]string{
		"yyyy-MM-dd":            "YYYY-MM-DD", // Java
		"yyyy'年'M'月'd'日' hh:mm": "YYYY年MM月DD日 HH:mm",
		"YYYY-mm-DD hh:MM":      "YYYY-MM-DD HH:mm", // month and minute changed
		"yyyymmdd":              "YYYYMMDD",
		"YYYYMMDDHHMMSS":        "YYYYMMDDHHmmss",
		"HH:MM":                 "HH:mm",
		"dd/mm/yyyy":            "DD/MM/YYYY",
		"YYYY-MM-DD'T'HH:mm:ss": "YYYY-MM-DDTHH:mm:ss",
		"%Y-%m-%d %H:%M:%S":     "YYYY-MM-DD HH:mm:ss", // strftime
		"%F %T":                 "YYYY-MM-DD HH:mm:ss",
		"%-m月%-d日":              "MM月DD日",
		"Y-m-d H:i:s":           "YYYY-MM-DD HH:mm:ss", // PHP
		"n/j G:i":               "MM/DD HH:mm",
		"2006-01-02 15:04:05":   "YYYY-MM-DD HH:mm:ss", // Go, as in `time.format` of the catalogue
		"2006年1月2日":             "YYYY年MM月DD日",
		"15:04":                 "HH:mm",
		"ＹＹＹＹ－ＭＭ":               "YYYY－MM", // a Chinese keyboard
		"YY/M/D":                "YYYY/MM/DD",
		"hh:mm a":               "",
		"MM-DD EEEE":            "",
		"DDDD":                  "",
		"ss.SSS":                "",
		"YYYY-MM-DDTHH:mm:ssZ":  "",
		"%A":                    "",
		"MM-DD at HH:mm":        "",
		"today":                 "",
		"今天":                    "",
		"":                      "",
		"24:00":                 "",
		"YYYY-MM-DD HH:mm":      "right",
		"YYYY年MM月DD日（HH：mm）":    "right",
		"MM/DD 24:00 前":         "right",
		"DD.MM.YYYY, HH 点":      "right",
		"YYYY-MM-DDTHH:mm:ss":   "right",
		"HH:mm:ss":              "right",
		"mm:ss":                 "right",
		"mm 分":                  "right",
		"MM 月":                  "right",
		"HH:mm MM-DD":           "right",
		"HH 点 MM 月 DD 日":        "right",
		"MM":                    "right",
		"YYYYMMDDHHmmss":        "right",
		"〔YYYY〕第 1 期，100% '限时' —": "right",
	} {
		meant, known, dated := meantDate(src)
		got := ""
		switch {
		case known && dated && meant == src:
			got = "right"
		case known && dated:
			got = meant
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", src, got, want)
		}
		if again, _, _ := meantDate(want); want != "" && want != "right" && again != want {
			t.Errorf("%q is mended as %q, and that as %q", src, want, again)
		}
	}
}
