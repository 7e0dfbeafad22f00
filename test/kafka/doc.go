// Package kafka is the last layer of the tests: two notifier processes on a real Kafka, fed with events that nobody
// here wrote, killed and restarted, and audited from outside. README.md says how to run it.
//
// It is a module of its own and imports nothing of the product: what it knows of topics, headers and record shapes
// is what the manual says, and what should have been sent it computes from the input alone.
package kafka
