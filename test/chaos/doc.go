// Package chaos kills the daemon with its embedded broker, again and again, and audits what the vendor got.
package chaos
