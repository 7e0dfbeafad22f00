package rules

import "time"

// Options is what the settings tell the loader.
type Options struct {
	Zone       *time.Location // of days, quiet hours and times in texts; nil is Asia/Shanghai or, without zone data, UTC+8
	Accounts   []Account
	AnyAccount bool      // no settings at hand: every account name is known and may do everything
	Now        time.Time // for warnings of what is over; zero is the clock's
	MaxBytes   int       // of a record's value (events.max_bytes); 0 is the default
	Consent    []Consent
	Partly     bool // a file could not be read: there may be more events, tags and samples than the files at hand have

	Vendor Vendor // asked whether it can send what a rule wants; nil: nobody is

	marks bool // each wrong mark of a condition is named, also where more than the mark is wrong: Format mends marks alone
}

// Account is what a rule needs to know of an account.
type Account struct {
	Name, Vendor   string
	AllowEveryone  bool // allow: [everyone]
	ApprovalWaived bool // approval: waived
	Sender         string
	MaxTag         int // characters of a tag there; 0: whatever a tag may have
	Slots          int // of its broadcast lane in a day; 0: RongCloud's standard
}

// The name that stands for the one account when there are no settings.
const anyName = "main"

func (o *Options) defaults() {
	if o.Zone == nil {
		o.Zone = time.FixedZone("CST", 8*3600)
		if z, err := time.LoadLocation("Asia/Shanghai"); err == nil {
			o.Zone = z
		}
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.AnyAccount {
		o.Accounts = []Account{{Name: anyName}}
	}
}

// account finds an account by name, "" being the only one there is.
func (o *Options) account(name string) (Account, bool) {
	if o.AnyAccount {
		if name == "" {
			name = anyName
		}
		return Account{Name: name, Vendor: "rongcloud", AllowEveryone: true, ApprovalWaived: true, Sender: "system"}, true
	}
	if name == "" && len(o.Accounts) == 1 {
		return o.Accounts[0], true
	}
	for _, a := range o.Accounts {
		if a.Name == name {
			return a, true
		}
	}
	return Account{}, false
}

func (o *Options) names() (out []string) {
	for _, a := range o.Accounts {
		out = append(out, a.Name)
	}
	return out
}
