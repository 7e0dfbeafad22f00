package diag

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Nearest gives the known name that a reader most likely meant, or "" when none is close: at most one edit for
// every three characters, at least one; swapping two neighbours is one edit. Else the one name that begins so.
func Nearest(name string, known []string) string {
	best, bestDist := "", 0
	limit := max(1, utf8.RuneCountInString(name)/3)
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := distance([]rune(strings.ToLower(name)), []rune(strings.ToLower(k)))
		if d <= limit && (best == "" || d < bestDist) && d < utf8.RuneCountInString(k) {
			best, bestDist = k, d
		}
	}
	if best != "" || utf8.RuneCountInString(name) < 3 {
		return best
	}
	for _, k := range known {
		if strings.HasPrefix(k, name) {
			if best != "" {
				return ""
			}
			best = k
		}
	}
	return best
}

// distance is the optimal string alignment distance. Names longer than 64 runes are never a typing mistake.
func distance(a, b []rune) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var prev2 []int
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i, ca := range a {
		cur := make([]int, len(b)+1)
		cur[0] = i + 1
		for j, cb := range b {
			cost := 1
			if ca == cb {
				cost = 0
			}
			cur[j+1] = min(prev[j+1]+1, cur[j]+1, prev[j]+cost)
			if i > 0 && j > 0 && ca == b[j-1] && a[i-1] == cb {
				cur[j+1] = min(cur[j+1], prev2[j-1]+1)
			}
		}
		prev2, prev = prev, cur
	}
	return prev[len(b)]
}

// DidYouMean is the hint for a misspelt name: the nearest one, or nothing.
func DidYouMean(name string, known []string) (hint Text, fix string) {
	if fix = Nearest(name, known); fix == "" {
		return Text{}, ""
	}
	return meant(fix), fix
}

func meant(name string) Text {
	return Text{"did you mean `" + name + "`?", "是不是想写 `" + name + "`？"}
}

// OneOf lists names for a note, in the given order, at most 30.
func OneOf(en, zh string, names []string) Text {
	if len(names) == 0 {
		return Text{}
	}
	rest := ""
	if len(names) > 30 {
		names, rest = names[:30], ", …"
	}
	return Text{en + ": " + strings.Join(names, ", ") + rest, zh + "：" + strings.Join(names, "、") + rest}
}
