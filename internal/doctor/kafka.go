package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/settings"
)

// How long Kafka is waited for, and one broker or port.
const (
	kafkaWait = 10 * time.Second
	portWait  = 3 * time.Second
)

// kafka reaches the cluster and every broker of it: a client that reaches only the first cannot work, since each partition is at one of
// them. What it returns ends the connections.
func (d *doctor) kafka(ctx context.Context) func() {
	k := d.s.Kafka
	d.bootstrap = strings.Join(k.Brokers, ",")
	opts, err := app.Connect(d.s)
	if err != nil {
		if _, ok := errors.AsType[*app.KafkaError](err); ok {
			d.bad("kafka", Error, k.Embedded, text("%v", "内嵌 broker 没有运行：%v", err), diag.Text{}, "notifier run -c "+quoted(d.Path))
			d.worse(exitUnreachable)
			return func() {}
		}
		d.bad("kafka", Error, d.Path, text("%v", "%v", err), text("mend the files of kafka.tls", "请检查 kafka.tls 指定的文件"), "notifier config show -c "+quoted(d.Path))
		d.worse(exitSettings)
		return func() {}
	}
	d.opts = append(opts, kgo.RetryTimeout(kafkaWait/2))
	cl, err := kgo.NewClient(d.opts...)
	if err != nil {
		d.bad("kafka", Error, d.bootstrap, text("%v", "%v", err), diag.Text{}, "notifier config show -c "+quoted(d.Path))
		d.worse(exitSettings)
		return func() {}
	}
	if k.Embedded != "" {
		d.bootstrap = strings.Join(seeds(cl), ",")
	}
	pc, cancel := context.WithTimeout(ctx, kafkaWait)
	defer cancel()
	if err := cl.Ping(pc); err != nil {
		d.unreachable(ctx, seeds(cl), err)
		return cl.Close
	}
	adm := kadm.NewClient(cl)
	meta, err := adm.BrokerMetadata(pc)
	if err != nil {
		d.unreachable(ctx, seeds(cl), err)
		return cl.Close
	}
	d.adm, d.brokers = adm, len(meta.Brokers)
	reached := 0
	for _, b := range meta.Brokers {
		bc, cancel := context.WithTimeout(ctx, portWait)
		_, err := cl.Broker(int(b.NodeID)).Request(bc, kmsg.NewPtrApiVersionsRequest())
		cancel()
		if err == nil {
			reached++
			continue
		}
		addr := net.JoinHostPort(b.Host, fmt.Sprint(b.Port))
		d.bad("kafka", Error, addr, text("broker %d gives this address and does not answer there: %v", "broker %d 公布的是这个地址，但无法连接：%v", b.NodeID, err),
			text("open the way, or correct advertised.listeners of the broker", "请打通网络，或修正该 broker 的 advertised.listeners"), "nc -vz "+b.Host+" "+fmt.Sprint(b.Port))
		d.worse(exitUnreachable)
	}
	if reached == d.brokers {
		d.well("kafka", d.bootstrap, text("brokers that answer: %d", "应答的 broker：%d 个", reached))
	}
	d.encrypted(seeds(cl))
	return cl.Close
}

func seeds(cl *kgo.Client) []string {
	out, _ := cl.OptValue(kgo.SeedBrokers).([]string)
	return out
}

// encrypted warns of events and passwords that travel open to everybody on the way.
func (d *doctor) encrypted(addrs []string) {
	if d.s.Kafka.TLS != nil {
		return
	}
	for _, a := range addrs {
		if host, _, _ := net.SplitHostPort(a); !settings.Loopback(host) {
			d.bad("kafka", Warning, a, text("the connection is not encrypted: events, and the password of a login, can be read on the way", "连接没有加密：事件内容和登录密码可能在途中被读到"),
				text("add `kafka.tls: {}`, or with `ca: FILE` for an authority of your own", "请加上 `kafka.tls: {}`；自建 CA 写 `ca: 文件`"), "notifier config check -c "+quoted(d.Path))
			return
		}
	}
}

// unreachable finds how far the way goes: the port, TLS, the login.
func (d *doctor) unreachable(ctx context.Context, addrs []string, err error) {
	if errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState) {
		d.bad("kafka", Error, d.bootstrap, text("the brokers refuse the login: %v", "broker 拒绝登录：%v", err), text("mend kafka.sasl: mechanism, user, password", "请检查 kafka.sasl 的 mechanism、user、password"),
			"notifier config show -c "+quoted(d.Path))
		d.worse(exitSettings)
		return
	}
	for _, addr := range addrs {
		host, port, _ := net.SplitHostPort(addr)
		tc, cancel := context.WithTimeout(ctx, portWait)
		c, perr := new(net.Dialer).DialContext(tc, "tcp", addr)
		cancel()
		if perr != nil {
			d.bad("kafka", Error, addr, text("cannot be reached: %v", "无法连接：%v", perr), text("mend kafka.brokers, the name service or the firewall", "请检查 kafka.brokers、域名解析或防火墙"), "nc -vz "+host+" "+port)
			d.worse(exitUnreachable)
			continue
		}
		_ = c.Close()
		how := text("the port answers and Kafka does not: does this listener want TLS or a login (kafka.tls, kafka.sasl)?", "端口通，但 Kafka 没有应答：这个端口是否要求 TLS 或登录（kafka.tls、kafka.sasl）？")
		if untrusted(err) {
			how = text("mend kafka.tls: the brokers' authority, and the names in their certificate", "请检查 kafka.tls：broker 证书的 CA 和其中的主机名")
		}
		d.bad("kafka", Error, addr, text("%v", "Kafka 报错：%v", err), how, "openssl s_client -connect "+addr+" -servername "+host+" </dev/null")
		d.worse(exitUnreachable)
	}
}

func untrusted(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return verify || authority || name
}

// brokersDisk asks the brokers how full their disks are.
func (d *doctor) brokersDisk(ctx context.Context) {
	if d.s.Kafka.Embedded != "" {
		return // on this machine: disk has looked
	}
	ctx, cancel := context.WithTimeout(ctx, kafkaWait)
	defer cancel()
	dirs, err := d.adm.DescribeAllLogDirs(ctx, kadm.TopicsSet{})
	if err != nil {
		d.bad("disk", Unknown, d.bootstrap, text("the brokers do not tell how full their disks are: %v", "broker 没有给出磁盘用量：%v", err), text("the daemon does not need this right", "程序本身不需要这个权限"),
			d.tool("kafka-acls.sh", "--add --allow-principal "+quoted(d.principal())+" --operation Describe --cluster"))
		return
	}
	full, told := false, false
	dirs.Each(func(l kadm.DescribedLogDir) {
		on := fmt.Sprintf("broker %d %s", l.Broker, l.Dir)
		switch {
		case l.Err != nil:
			d.bad("disk", Error, on, text("the broker cannot use it: %v", "broker 无法使用：%v", l.Err), diag.Text{}, d.tool("kafka-log-dirs.sh", "--describe"))
			full = true
		case l.TotalBytes <= 0:
		case l.UsableBytes*10 < l.TotalBytes:
			d.bad("disk", Warning, on, text("%d of %d MiB free: a full disk stops the broker", "剩余 %d MiB，共 %d MiB：写满后 broker 会停", l.UsableBytes>>20, l.TotalBytes>>20), diag.Text{}, d.tool("kafka-log-dirs.sh", "--describe"))
			full = true
		default:
			told = true
		}
	})
	if told && !full {
		d.well("disk", d.bootstrap, text("every broker has a tenth or more free", "每个 broker 都有一成以上的空间"))
	}
}
