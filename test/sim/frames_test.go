//go:build synctests

package sim

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaFaults are what a daemon's cable does to answers of the broker.
type kafkaFaults struct {
	mu      sync.Mutex
	skew    time.Duration // the broker's clock minus this machine's, as the broker tells it
	corrupt []byte        // a byte of these is flipped where an answer to a fetch holds them, ...
	times   int           // ... so often
	lose    bool          // the answer to the next end of a transaction is lost, and the connections with it
	mute    int16         // answers to requests of this kind do not come, though the connection stands; 0: all come
}

// setSkew lets the broker's clock seem ahead, or behind: for a daemon that is a step of its own wall clock the other way.
func (f *kafkaFaults) setSkew(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skew = d
}

// flip damages the next answers that hold a text, as memory or a disk does between a broker's check and its network.
func (f *kafkaFaults) flip(text string, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.corrupt, f.times = []byte(text), times
}

// loseCommit lets the broker end a transaction and nobody hear of it.
func (f *kafkaFaults) loseCommit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = true
}

// silence lets answers to requests of a kind never come.
func (f *kafkaFaults) silence(key kmsg.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mute = int16(key)
}

// asked is a request that waits for its answer.
type asked struct{ key, version int16 }

// frames reads a connection to the broker answer by answer. A client of ours writes a request in one Write.
type frames struct {
	net.Conn
	faults *kafkaFaults
	rest   []byte // of the answer that is being read

	mu    sync.Mutex
	asked map[int32]asked // by correlation id
}

func (f *frames) Write(b []byte) (int, error) {
	if len(b) >= 12 {
		f.mu.Lock()
		f.asked[int32(binary.BigEndian.Uint32(b[8:]))] = asked{int16(binary.BigEndian.Uint16(b[4:])), int16(binary.BigEndian.Uint16(b[6:]))}
		f.mu.Unlock()
	}
	return f.Conn.Write(b)
}

func (f *frames) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		var size [4]byte
		if _, err := io.ReadFull(f.Conn, size[:]); err != nil {
			return 0, err
		}
		answer := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(f.Conn, answer); err != nil {
			return 0, err
		}
		id := int32(binary.BigEndian.Uint32(answer))
		f.mu.Lock()
		a := f.asked[id]
		delete(f.asked, id)
		f.mu.Unlock()
		answer, err := f.faults.disturb(a, answer)
		if err != nil {
			f.Conn.Close()
			return 0, err
		}
		if answer == nil {
			continue
		}
		f.rest = append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// waits tells which requests have no answer yet.
func (f *frames) waits() (keys []int16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		keys = append(keys, a.key)
	}
	return keys
}

// disturb does to an answer what is asked for.
func (f *kafkaFaults) disturb(a asked, answer []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mute != 0 && a.key == f.mute {
		hit("K6", 1)
		return nil, nil
	}
	switch a.key {
	case int16(kmsg.EndTxn):
		if f.lose {
			f.lose = false
			hit("K6", 1)
			hit("K7", 1)
			return nil, errCut
		}
	case int16(kmsg.Fetch):
		if at := bytes.Index(answer, f.corrupt); f.times > 0 && at >= 0 {
			answer[at] ^= 1
			f.times--
			hit("K12", 1)
		}
	case int16(kmsg.Heartbeat): // this member works, and others move partitions
		res := kmsg.NewPtrHeartbeatResponse()
		res.SetVersion(a.version)
		head := 4
		if res.IsFlexible() {
			head++
		}
		if res.ReadFrom(answer[head:]) == nil && res.ErrorCode == kerr.RebalanceInProgress.Code {
			hit("K4", 1)
		}
	case int16(kmsg.ListOffsets):
		if f.skew == 0 {
			break
		}
		res := kmsg.NewPtrListOffsetsResponse()
		res.SetVersion(a.version)
		head := 4 // the correlation id, and no tags
		if res.IsFlexible() {
			head++
		}
		if err := res.ReadFrom(answer[head:]); err != nil {
			return nil, err
		}
		told := false
		for i := range res.Topics {
			for j := range res.Topics[i].Partitions {
				if p := &res.Topics[i].Partitions[j]; p.Timestamp > 0 {
					p.Timestamp += f.skew.Milliseconds()
					told = true
				}
			}
		}
		switch allowed := 2 * time.Second; {
		case !told: // no time in it
		case f.skew < -allowed: // our clock is ahead of the broker's
			hit("T1", 1)
		case f.skew > allowed:
			hit("T2", 1)
		}
		return res.AppendTo(answer[:head:head]), nil
	}
	return answer, nil
}
