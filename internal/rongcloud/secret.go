package rongcloud

import "github.com/notifier/notifier/internal/wire"

// Secret is an App Secret that no printer can show.
type Secret = wire.Secret

// ErrInside: a host's name leads to an address that is not of the internet, of any vendor.
var ErrInside = wire.ErrInside

// NewSecret wraps s.
func NewSecret(s string) Secret { return wire.NewSecret(s) }
