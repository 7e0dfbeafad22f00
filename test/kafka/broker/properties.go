package broker

import (
	"fmt"
	"slices"
	"strings"
)

// properties is one node's server.properties: a combined broker and controller (KRaft), plaintext on the loopback, with more
// listeners if the cluster's options ask for them.
// The second half shortens what makes tests wait and what the daemon must survive anyway.
func (c *Cluster) properties(n *node) string {
	var voters []string
	for _, m := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", m.id, m.controller))
	}
	listeners := []string{fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", n.port)}
	advertised := slices.Clone(listeners)
	protocols := []string{"CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT"}
	more := ""
	if c.Secure != nil {
		secure := []string{fmt.Sprintf("SASL://127.0.0.1:%d", n.sasl), fmt.Sprintf("MUTUAL://127.0.0.1:%d", n.mutual)}
		listeners, advertised = append(listeners, secure...), append(advertised, secure...)
		protocols = append(protocols, "SASL:SASL_SSL", "MUTUAL:SSL")
		more = c.Secure.properties()
	}
	for i, l := range c.links {
		name := fmt.Sprintf("LINK%d", i)
		listeners = append(listeners, fmt.Sprintf("%s://127.0.0.1:%d", name, n.far[i]))
		advertised = append(advertised, name+"://"+l.Addresses()[n.id-1])
		protocols = append(protocols, name+":PLAINTEXT")
	}
	if c.opt.Uncompacted {
		more += "log.cleaner.min.compaction.lag.ms=3600000\n"
	}
	listeners = append(listeners, fmt.Sprintf("CONTROLLER://127.0.0.1:%d", n.controller))
	replicas := len(c.nodes)
	return fmt.Sprintf(`process.roles=broker,controller
node.id=%[1]d
controller.quorum.voters=%[2]s
controller.listener.names=CONTROLLER
listeners=%[3]s
advertised.listeners=%[4]s
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=%[9]s
log.dirs=%[5]s
auto.create.topics.enable=false
default.replication.factor=%[6]d
min.insync.replicas=%[7]d
offsets.topic.replication.factor=%[6]d
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=%[6]d
transaction.state.log.min.isr=%[7]d
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=%[6]d
share.coordinator.state.topic.min.isr=1

broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=200
group.consumer.heartbeat.interval.ms=1000
log.cleaner.backoff.ms=1000
controlled.shutdown.enable=%[8]t
`, n.id, strings.Join(voters, ","), strings.Join(listeners, ","), strings.Join(advertised, ","), n.data, replicas, max(1, replicas-1), replicas > 1,
		strings.Join(protocols, ",")) + more
}
