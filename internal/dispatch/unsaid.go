package dispatch

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/notifier/notifier/internal/intent"
)

// phone is a mobile number as people in China write it.
var phone = regexp.MustCompile(`\b1[3-9]\d{9}\b`)

// common is a value that tells nobody who is meant, and that is in messages by itself: a letter, an age, a count. Cut out, it takes codes and
// positions along; whoever reads the message knows less, and the person is no safer.
var common = regexp.MustCompile(`^([A-Za-z]|[0-9]{1,3})$`)

// goQuoted is a text as %q writes it.
var goQuoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// unsay is unsaid of what the far side said, which stands between Head and Foot: without its address and its request id nobody can ask the
// vendor about a call. Of a request that holds personal values only known words are said again: a vendor quotes them cut, in another case
// or escaped in some way, and what is not looked for cannot be missed.
func (o *Outcome) unsay(users []string, items []*item) {
	words, whole := strings.CutPrefix(o.Detail, o.Head)
	words, ends := strings.CutSuffix(words, o.Foot)
	head, foot := o.Head, o.Foot
	if !whole || !ends {
		head, words, foot = "", o.Detail, ""
	}
	words = unsaid(words, users, items)
	switch personal := slices.ContainsFunc(items, func(it *item) bool { c := it.p().Intent.Content; return c != nil && len(c.Personal) > 0 }); {
	case !personal:
	case o.Invalid: // our own words, with the value quoted as Go does it
		words = goQuoted.ReplaceAllString(words, `"***"`)
	case o.Head != "":
		words = knownWords(words)
	}
	o.Detail = head + words + foot
}

// unsaid takes out of a vendor's words whom and what the call was about: vendors quote what they refuse, and what they say goes into logs,
// the status and the ledger. Who may see people finds them in the fates.
func unsaid(detail string, users []string, items []*item) string {
	if detail == "" {
		return ""
	}
	var texts []string
	for _, it := range items {
		texts = append(texts, wordsOf(it.p().Intent.Content)...)
		users = append(slices.Clip(users), it.p().Intent.Target)
	}
	slices.SortFunc(texts, func(a, b string) int { return len(b) - len(a) }) // a text that holds another goes first
	for _, t := range texts {
		if utf8.RuneCountInString(t) >= leastText {
			detail = strings.ReplaceAll(detail, t, "***")
		}
	}
	for _, it := range items {
		if c := it.p().Intent.Content; c != nil {
			for _, t := range c.Personal {
				switch {
				case common.MatchString(t):
				case len(t) < leastText:
					detail = withoutWord(detail, t)
				default:
					detail = strings.ReplaceAll(detail, t, "***")
				}
			}
		}
	}
	for _, u := range users {
		if u != "" && u != "*" {
			detail = withoutWord(detail, u)
		}
	}
	return phone.ReplaceAllStringFunc(detail, func(s string) string { return s[:3] + "****" + s[7:] })
}

// leastText is how many characters a text has at least to be looked for: shorter ones are in every message.
const leastText = 4

func wordsOf(c *intent.Content) (out []string) {
	if c == nil {
		return nil
	}
	out = append(out, c.Title, c.Body, c.Link, c.Group)
	for _, v := range c.Data {
		out = append(out, v)
	}
	if c.Message != nil {
		out = append(out, c.Message.Extra)
		for _, v := range c.Message.Content {
			out = append(out, v)
		}
	}
	return out
}

// withoutWord replaces an id where it stands alone.
func withoutWord(s, word string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, word)
		if i < 0 {
			return b.String() + s
		}
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+len(word):])
		b.WriteString(s[:i])
		if inWord(before) || inWord(after) {
			b.WriteString(word)
		} else {
			b.WriteString("***")
		}
		s = s[i+len(word):]
	}
}

func inWord(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
