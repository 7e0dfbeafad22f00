package settings

import (
	"strconv"
	"strings"
	"time"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/intent"
)

// parseSize reads 512, 256KiB, 1MiB or 1GiB, up to 1 GiB.
func parseSize(s string) (int, bool) {
	unit := 1
	for suffix, n := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(rest), n
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 || n > uint64(1<<30/unit) {
		return 0, false
	}
	return int(n) * unit, true
}

// parsePercent reads 1% or 0.5% as a share of 1, more than 0 and at most 100%.
func parsePercent(s string) (float64, bool) {
	digits, ok := strings.CutSuffix(s, "%")
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(n > 0 && n <= 100) {
		return 0, false
	}
	return n / 100, true
}

// parseShare is parsePercent with nothing at all as well.
func parseShare(s string) (float64, bool) {
	if s == "0%" {
		return 0, true
	}
	return parsePercent(s)
}

// parseRate reads `500 in 10m`.
func parseRate(s string) (Rate, bool) {
	c, ok := parseCap(s)
	if !ok || c.In == 0 {
		return Rate{}, false
	}
	return Rate{c.N, c.In}, true
}

// parseVerify reads `off`, `1000 per day` or `500 in 1h`.
func parseVerify(s string) (Rate, bool) {
	if s == "off" {
		return Rate{}, true
	}
	if n, ok := strings.CutSuffix(s, " per day"); ok {
		s = n + " in 24h"
	}
	return parseRate(s)
}

// parseCap reads `1 in 24h` and `5 per day`.
func parseCap(s string) (intent.Cap, bool) {
	f := strings.Fields(s)
	if len(f) != 3 {
		return intent.Cap{}, false
	}
	n, err := strconv.ParseUint(f[0], 10, 31)
	if err != nil || n == 0 {
		return intent.Cap{}, false
	}
	switch f[1] {
	case "in":
		d, err := diag.ParseDuration(f[2])
		return intent.Cap{N: int(n), In: d}, err == nil && d >= time.Second
	case "per":
		return intent.Cap{N: int(n), Each: f[2]}, f[2] == "day" || f[2] == "week" || f[2] == "month"
	}
	return intent.Cap{}, false
}
