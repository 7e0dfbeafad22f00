// Package sim runs the whole daemon in virtual time: days of scarce quota, restarts, outages and other people's use of the quota
// pass in seconds. Kafka is the embedded broker, the vendor is the sandbox, both on a network of pipes inside one
// testing/synctest bubble with the daemon, which is started and stopped through internal/app as the binary does it.
//
// What is expected is computed from what a test put in, by arithmetic of its own; what happened is read from the vendor's
// journal and from the topics. Nothing is asked of the daemon itself.
//
//	go test -tags synctests ./test/sim/...
//
// A run ends with the count of each fault that this layer is to inject (test/faults.json, L2), and a whole run in which one never came
// fails. SIM_SEED=7 and SIM_SEEDS=0-16 choose seeds, SIM_DAYS=14 lets TestWhateverHappens last two weeks instead of six hours, and
// SIM_DRAINS=1000 lets TestDrains drain a thousand times.
//
// The tag makes franz-go lock with channels: a goroutine that waits for a mutex would keep virtual time from moving. Without
// the tag there is nothing here to run. A run is exact in time, not in the order of goroutines of one moment: the same
// seed gives the same counts, not the same trace.
package sim
