package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/notifier/notifier/internal/intent"
)

// Approval is how far a request has come with the people it waits for. It is part of the pending record, so that whoever owns the
// partition next knows who has approved.
type Approval struct {
	Since time.Time `json:"since"` // when the request was complete and began to wait; `within` counts from here
	By    []Consent `json:"by,omitempty"`
}

// Consent is one person's approval.
type Consent struct {
	By  string    `json:"by"`
	Why string    `json:"why,omitempty"`
	At  time.Time `json:"at"`
}

// Has reports whether a person has approved. Two spellings of one name are not two people.
func (a *Approval) Has(person string) bool {
	for _, c := range a.By {
		if strings.EqualFold(Person(c.By), Person(person)) {
			return true
		}
	}
	return false
}

// Person is a name without what makes no other name of it: spaces of any kind, wherever they stand, and the characters that show nothing, a
// zero-width space for one. Of a name that nobody can see nothing is left.
func Person(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '\u2800' /* the empty Braille cell */ || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, name)
}

// Names are those who have approved, in the order in which they did.
func (a *Approval) Names() (out []string) {
	if a == nil {
		return nil
	}
	for _, c := range a.By {
		out = append(out, c.By)
	}
	return out
}

// Approved reports whether nobody's approval is missing.
func (p *Pending) Approved() bool {
	need := p.Intent.Policy.Approval
	return need == nil || p.Approval != nil && len(p.Approval.By) >= need.People
}

// AwaitsApproval reports whether the request is complete and waits for people.
func (p *Pending) AwaitsApproval() bool { return p.Approval != nil && p.Merged == nil && !p.Approved() }

// ApprovalEnds is when a waiting request is suppressed if nobody approves: after `within`, or when it expires.
func (p *Pending) ApprovalEnds() time.Time {
	end := p.Approval.Since.Add(p.Intent.Policy.Approval.Within)
	if at := p.Intent.Policy.Expire; !at.IsZero() && at.Before(end) {
		return at
	}
	return end
}

// Mark is a fingerprint of what a request says and to whom. An approval names it, so that nobody approves what they have not seen.
func (p *Pending) Mark() string {
	b, err := json.Marshal([]any{p.Intent.Content, p.Intent.Audience})
	if err != nil { // strings, and raw JSON that was checked at load
		return string(p.Intent.ID)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// ApprovalID is the short name of a request in `approvals`: an intent's id holds slashes and a star, which are hard to type.
func ApprovalID(id intent.ID) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:5])
}

// ArgAccount is the argument of an approval that names the account by its identity, and so the owner who decides.
const ArgAccount = "account"
