package getui

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// number is an integer that the vendor writes as a number in one place and as text in another.
type number int64

func (n *number) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" {
		return nil
	}
	if len(s) > 0 && s[0] == '"' {
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		if s == "" {
			return nil
		}
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("%.40q is no integer", s)
	}
	*n = number(v)
	return nil
}
