package rongcloud

import "github.com/notifier/notifier/internal/wire"

// Secret is an App Secret that no printer can show.
type Secret = wire.Secret

// NewSecret wraps s.
func NewSecret(s string) Secret { return wire.NewSecret(s) }
