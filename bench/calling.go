package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/notifier/notifier/bench/load"
	"github.com/notifier/notifier/bench/report"
	"github.com/notifier/notifier/internal/rongcloud"
	"github.com/notifier/notifier/internal/rongpush"
)

// callers is how many calls are under way at a time.
const callers = 8

// calling measures calls/s of the vendor's client, each for 1,000 users, against a bare net/http loop that signs the same bodies, both
// at one server; and the same with the bodies made from the users' ids by either side.
func calling(ctx context.Context, l *lab) ([]report.Result, error) {
	calls := l.size(800, 40) // a turn
	var url string
	server, err := l.serving("sink", &url)
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	ours, err := rongcloud.New(rongcloud.Options{Hosts: []string{url}, AppKey: load.App, Secret: func() rongcloud.Secret { return rongcloud.NewSecret(sinkSecret) }})
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: callers}
	defer transport.CloseIdleConnections()
	bare := &http.Client{Transport: transport}
	var batches []rongpush.BatchSetTags
	var bodies [][]byte
	for i := range 64 {
		b := rongpush.BatchSetTags{Tags: []string{"city_" + strconv.Itoa(i), "level_l1"}}
		for j := range rongpush.MaxBatchUsers {
			b.Users = append(b.Users, fmt.Sprintf("u-%06d-%06d", i, j))
		}
		body, _, err := b.Body()
		if err != nil {
			return nil, err
		}
		plain, err := madePlainly(b)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(body, plain) {
			return nil, fmt.Errorf("our body of a batch is not encoding/json's: %.200s, %.200s", body, plain)
		}
		batches, bodies = append(batches, b), append(bodies, body)
	}
	var id atomic.Int64
	client := func(body func(i int) ([]byte, error)) func(i int) error {
		return func(i int) error {
			b, err := body(i)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, 6*time.Second)
			defer cancel()
			_, err = ours.Call(ctx, "bench-"+strconv.FormatInt(id.Add(1), 10), rongpush.TagBatchSet, "application/json", b)
			return err
		}
	}
	loop := func(body func(i int) ([]byte, error)) func(i int) error {
		return func(i int) error {
			b, err := body(i)
			if err != nil {
				return err
			}
			return postBare(ctx, bare, url+rongpush.TagBatchSet.Path, b)
		}
	}
	given := func(i int) ([]byte, error) { return bodies[i%len(bodies)], nil }
	made := func(i int) ([]byte, error) {
		b, _, err := batches[i%len(batches)].Body()
		return b, err
	}
	plainly := func(i int) ([]byte, error) { return madePlainly(batches[i%len(batches)]) }
	var out []report.Result
	for _, x := range []struct {
		name, what string
		bare, ours func(i int) error
		goals      report.Goals
	}{
		{"http", "the bodies are there", loop(given), client(given), report.Goals{First: 0.6, Goal: 0.85, Moonshot: 0.95}},
		{"http-made", "the bodies are made for each call, ours checked", loop(plainly), client(made), report.Goals{}},
	} {
		sides := []func(int) error{atOnce(calls, x.bare), atOnce(calls, x.ours)}
		if _, err := byTurns(sides...); err != nil { // warm
			return nil, err
		}
		if _, err := askSink(ctx, url); err != nil {
			return nil, err
		}
		var ratio, cpu, a, b []float64
		for range l.rounds {
			// The counts of a side are checked between its turns, outside of the time.
			var seen [2]took
			var failed error
			check := func(side int) {
				t, err := askSink(ctx, url)
				failed = errors.Join(failed, err)
				seen[side].Calls, seen[side].Unsigned, seen[side].Sum = seen[side].Calls+t.Calls, seen[side].Unsigned+t.Unsigned, seen[side].Sum+t.Sum
			}
			spent, err := byTurnsWith(check, sides...)
			if err := errors.Join(err, failed); err != nil {
				return nil, err
			}
			if want := wanted(bodies, calls); seen[0] != want || seen[1] != want {
				return nil, fmt.Errorf("the server was given %+v by the bare loop and %+v by our client, want %+v", seen[0], seen[1], want)
			}
			n := float64(calls * turns)
			a, b = append(a, n/spent[0].clock.Seconds()), append(b, n/spent[1].clock.Seconds())
			ratio = append(ratio, spent[0].clock.Seconds()/spent[1].clock.Seconds())
			cpu = append(cpu, spent[1].cpu.Seconds()/spent[0].cpu.Seconds())
		}
		detail := fmt.Sprintf("%s; bare %.0f calls/s, ours %.0f calls/s (medians), %d connections, %d bytes a body, ours at most 79 calls a connection; checked: the server had every body from either side, signed", x.what, report.Median(a), report.Median(b), callers, len(bodies[0]))
		r, err := report.New(x.name, "calls/s of our client for 1,000 users each / bare net/http loop that signs the same bodies", "x", "shared: client and server on the same CPUs", ratio, x.goals, detail)
		if err != nil {
			return nil, err
		}
		c, err := report.New(x.name+"-cpu", "CPU a call of our client / bare net/http loop, the server's not counted", "x", "shared: client and server on the same CPUs", cpu, report.Goals{}, detail)
		if err != nil {
			return nil, err
		}
		out = append(out, r, c)
	}
	return out, nil
}

// wanted is what the server has to be given in a round.
func wanted(bodies [][]byte, calls int) (t took) {
	for turn := range turns {
		for i := range calls {
			t.Calls++
			t.Sum += uint64(crc32.ChecksumIEEE(bodies[(turn*calls+i)%len(bodies)]))
		}
	}
	return t
}

// atOnce makes a turn's calls, callers at a time.
func atOnce(calls int, call func(i int) error) func(turn int) error {
	return func(turn int) error {
		var wg sync.WaitGroup
		var next atomic.Int64
		failed := make([]error, callers)
		for c := range callers {
			wg.Go(func() {
				for {
					i := int(next.Add(1)) - 1
					if i >= calls {
						return
					}
					if err := call(turn*calls + i); err != nil {
						failed[c] = err
						return
					}
				}
			})
		}
		wg.Wait()
		return errors.Join(failed...)
	}
}

// madePlainly is the body of a batch by encoding/json.
func madePlainly(b rongpush.BatchSetTags) ([]byte, error) {
	return json.Marshal(struct {
		UserIDs []string `json:"userIds"`
		Tags    []string `json:"tags"`
	}{b.Users, b.Tags})
}

// postBare signs and sends a body, and reads the answer.
func postBare(ctx context.Context, c *http.Client, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	nonce, timestamp := strconv.FormatUint(rand.Uint64N(1e18), 10), strconv.FormatInt(time.Now().UnixMilli(), 10)
	req.Header.Set("App-Key", load.App)
	req.Header.Set("Nonce", nonce)
	req.Header.Set("Timestamp", timestamp)
	req.Header.Set("Signature", signed(nonce, timestamp))
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var code struct{ Code int }
	if err := json.Unmarshal(answer, &code); err != nil || code.Code != http.StatusOK {
		return fmt.Errorf("%s answers %s: %w", url, answer, err)
	}
	return nil
}
