// Package backtest runs history through rules: the decoder and the conditions of stage 1, then a dispatch.Model of stage 2 with its
// gates, its quota and its merges in virtual time. It counts what became of it, per rule, user and day, and compares two sets of rules.
//
// It has no connection and no credential: a call ends where its request has been built, and is taken as accepted.
package backtest
