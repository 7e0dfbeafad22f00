package rules

import (
	"regexp"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
)

// defaultDate is how a time is written when nothing else is asked for.
const defaultDate = "YYYY-MM-DD HH:mm"

// dateWords are what a pattern of date is made of, and the same for package time. All else in it is text.
var dateWords = []struct{ word, layout string }{{"YYYY", "2006"}, {"MM", "01"}, {"DD", "02"}, {"HH", "15"}, {"mm", "04"}, {"ss", "05"}}

// writeDate writes a time as a pattern says. The words are written one by one: package time would read the digits of the text as well.
func writeDate(t time.Time, pattern string) string {
	var room [64]byte
	b := room[:0]
next:
	for pattern != "" {
		for _, w := range dateWords {
			if rest, ok := strings.CutPrefix(pattern, w.word); ok {
				b, pattern = t.AppendFormat(b, w.layout), rest
				continue next
			}
		}
		b, pattern = append(b, pattern[0]), pattern[1:]
	}
	return string(b)
}

// otherDates are the words of other programs: those of Java, moment.js and PHP by a letter that is repeated, those of strftime behind %.
// Longer ones mean something that cannot be written here, like the day of the week.
var (
	otherDates = map[byte]struct {
		word string
		most int
	}{'y': {"YYYY", 4}, 'Y': {"YYYY", 4}, 'M': {"MM", 2}, 'n': {"MM", 1}, 'd': {"DD", 2}, 'D': {"DD", 2}, 'j': {"DD", 1}, 'h': {"HH", 2}, 'H': {"HH", 2}, 'k': {"HH", 2}, 'G': {"HH", 1},
		'm': {"mm", 2}, 'i': {"mm", 1}, 's': {"ss", 2}, 'S': {"ss", 2}}
	percentDates = map[byte]string{'Y': "YYYY", 'y': "YYYY", 'm': "MM", 'd': "DD", 'e': "DD", 'H': "HH", 'k': "HH", 'M': "mm", 'S': "ss", 'F': "YYYY-MM-DD", 'T': "HH:mm:ss", 'R': "HH:mm"}
	percentDate  = regexp.MustCompile(`%[-_0]?([A-Za-z])`)
	quotedDate   = regexp.MustCompile(`'([年月日号时点分秒T]?)'`) // yyyy'年'
	goDate       = strings.NewReplacer("2006", "YYYY", "01", "MM", "02", "DD", "15", "HH", "04", "mm", "05", "ss", "1", "MM", "2", "DD", "3", "HH", "4", "mm", "5", "ss")
	goClock      = strings.NewReplacer("01", "MM", "02", "DD", "15", "HH", "04", "mm", "05", "ss")
)

// meantDate gives a pattern as it is written here; a right one comes back as it is. known is false when there is a letter in it that cannot be
// written here, dated when there is nothing of a date in it.
func meantDate(pattern string) (meant string, known, dated bool) {
	s := strings.Map(func(r rune) rune {
		if r >= 'Ａ' && r <= 'Ｚ' || r >= 'ａ' && r <= 'ｚ' || r == '％' {
			return r - '！' + '!'
		}
		return r
	}, pattern)
	switch {
	case strings.Contains(s, "2006"):
		s = goDate.Replace(s)
	case !strings.ContainsFunc(s, isLetter):
		s = goClock.Replace(s)
	}
	s = quotedDate.ReplaceAllString(s, "$1")
	known = true
	s = percentDate.ReplaceAllStringFunc(s, func(p string) string {
		word := percentDates[p[len(p)-1]]
		known = known && word != ""
		return word
	})
	var pieces []string // words and the texts around them, in turn
	text := ""
	for i := 0; i < len(s); {
		c, n := s[i], 1
		if !isLetter(rune(c)) {
			text, i = text+s[i:i+1], i+1
			continue
		}
		for i+n < len(s) && s[i+n] == c {
			n++
		}
		switch w := otherDates[c]; {
		case w.word != "" && n <= w.most:
			pieces, text = append(pieces, text, w.word), ""
		case s[i:i+n] == "T" && text == "" && len(pieces) > 0 && pieces[len(pieces)-1] == "DD" && i+1 < len(s) && (s[i+1] == 'H' || s[i+1] == 'h'): // as RFC 3339 has it
			text = "T"
		default:
			text, known = text+s[i:i+n], false
		}
		i += n
	}
	pieces = append(pieces, text)
	for i := 1; i < len(pieces); i += 2 {
		pieces[i] = monthOrMinute(pieces, i)
	}
	return strings.Join(pieces, ""), known, len(pieces) > 1
}

func isLetter(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// monthOrMinute tells by the words around it which of the two was meant: they differ only in the size of their letters.
func monthOrMinute(pieces []string, i int) string {
	before, behind := "", ""
	if i > 1 {
		before = pieces[i-2]
	}
	if i+2 < len(pieces) {
		behind = pieces[i+2]
	}
	ofDay := before == "HH" || behind == "ss"
	ofDate := before == "YYYY" || before == "DD" || behind == "DD" || behind == "YYYY"
	switch {
	case pieces[i] == "mm" && ofDate && !ofDay:
		return "MM"
	case pieces[i] == "MM" && ofDay && !ofDate:
		return "mm"
	}
	return pieces[i]
}

// patternsFit checks how a hole writes its dates.
func patternsFit(n *diag.Node, p *part) bool {
	good := true
	for i := range p.filters {
		f := &p.filters[i]
		if f.name != "date" || !f.hasArg {
			continue
		}
		meant, known, dated := meantDate(f.arg)
		if meant == f.arg && known && dated {
			continue
		}
		good = false
		d := n.ErrorAt(f.from, f.to, "N304", diag.Text{EN: "`date` knows YYYY, MM (month), DD, HH, mm (minute) and ss: all else is sent as it is", ZH: "`date` 只认 YYYY、MM（月）、DD、HH、mm（分）、ss，其他内容会原样发出去"},
			diag.Text{EN: "remove the other letters; other text stands outside of the hole", ZH: "请删掉别的字母；其他文字写在 `${}` 外面"})
		switch {
		case known && dated:
			advise(n, d, "date("+quoteText(meant)+")")
		case known:
			d.Message = diag.Text{EN: "there is no date in `" + quoteText(f.arg) + "`: it is sent as it is", ZH: "`" + quoteText(f.arg) + "` 里没有日期或时间，会原样发出去"}
			advise(n, d, "date("+quoteText(defaultDate)+")")
			d.Fix = "" // an example
		}
	}
	return good
}
