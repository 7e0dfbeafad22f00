//go:build !linux

package doctor

import "errors"

// freeBytes has no portable form in the standard library.
func freeBytes(string) (uint64, error) { return 0, errors.New("this system is not asked") }
