// Package report keeps what a bench found: a Result, its median and spread, results.json, and the table in README.md.
package report
