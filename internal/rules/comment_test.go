package rules

import "testing"

// A comment is more of a condition where it begins as that would go on, or is a comparison; what people note behind a condition is neither.
func TestCommentsThatAreMoreOfACondition(t *testing.T) {
	for comment, want := range map[string]bool{
		`#and city == "x"`: true, `#or gift`: true, `##and gift`: true, `#且 gift`: true, `#> 800`: true, `#not gift`: true, `#in ["a"]`: true, `#city == "x"`: true, `#城市 != "北京"`: true, `#&& gift`: true,
		`# and city == "x"`: false, `#`: false, `##`: false, `#大额`: false, `#大额=500以上`: false, `#500 以上`: false, `#todo: amount >= 600?`: false, `#在北京`: false, `#见 wiki/a > b >`: false,
	} {
		if goesOn(comment) != want {
			t.Errorf("%s: %t", comment, !want)
		}
	}
}
