package link

import (
	"bufio"
	"net"
	"runtime"
	"testing"
	"time"
)

// echo answers every line with the same one, and tells what it got.
func echo(t *testing.T) (addr string, got <-chan string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	lines := make(chan string, 16)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := bufio.NewScanner(c); in.Scan(); {
					lines <- in.Text()
					_, _ = c.Write([]byte(in.Text() + "\n"))
				}
			}()
		}
	}()
	return ln.Addr().String(), lines
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, len(want)+1)
	if n, err := c.Read(b); err != nil || string(b[:n]) != want+"\n" {
		t.Fatalf("heard %q, %v, want %q", b[:n], err, want)
	}
}

func TestWhatWasSentIntoTheSilenceArrivesLate(t *testing.T) {
	quiet, heard := echo(t)
	other, _ := echo(t)
	l, err := New([]string{quiet, other})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, b := dial(t, l.Addresses()[0]), dial(t, l.Addresses()[1])
	say(t, a, "one")
	hear(t, a, "one")
	<-heard
	l.Silence(0)
	say(t, a, "two")
	c := dial(t, l.Addresses()[0]) // a new connection is taken, and says nothing
	say(t, c, "three")
	_ = a.Close() // its sender has given up
	say(t, b, "beside")
	hear(t, b, "beside")
	select {
	case s := <-heard:
		t.Fatalf("%q came through", s)
	default:
	}
	l.Heal()
	hear(t, c, "three")
	late := map[string]bool{<-heard: true, <-heard: true}
	if !late["two"] || !late["three"] {
		t.Errorf("after the silence the broker got %v, want two and three", late)
	}
}

func TestATornLinkBreaksConnections(t *testing.T) {
	addr, _ := echo(t)
	l, err := New([]string{addr})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := dial(t, l.Addresses()[0])
	say(t, c, "one")
	hear(t, c, "one")
	l.Tear()
	for _, c := range []net.Conn{c, dial(t, l.Addresses()[0])} {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a torn connection gave something")
		} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Error("a torn connection is open")
		}
	}
	l.Heal()
	c = dial(t, l.Addresses()[0])
	say(t, c, "two")
	hear(t, c, "two")
}

// Slowness delays what passes, and not one piece after the other.
func TestASlowLinkHasADelay(t *testing.T) {
	addr, _ := echo(t)
	l, err := New([]string{addr})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := dial(t, l.Addresses()[0])
	say(t, c, "one")
	hear(t, c, "one")
	l.Slow(30 * time.Millisecond)
	began := time.Now()
	say(t, c, "two")
	hear(t, c, "two")
	if d := time.Since(began); d < 60*time.Millisecond {
		t.Errorf("there and back took %s, want 60 ms or more", d)
	}
}

func TestABrokerThatIsDownRefuses(t *testing.T) {
	addr, _ := echo(t)
	l, err := New([]string{addr})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Down(0)
	if c, err := net.Dial("tcp", l.Addresses()[0]); err == nil {
		_ = c.Close()
		t.Error("a connection to a broker that is down was taken")
	}
	if err := l.Up(0); err != nil {
		t.Fatal(err)
	}
	c := dial(t, l.Addresses()[0])
	say(t, c, "one")
	hear(t, c, "one")
}

// A link that is bad while nobody uses it has done nothing, and says so.
func TestALinkTellsWhatItsStateHasMet(t *testing.T) {
	for name, bad := range map[string]func(*Link){"slow": func(l *Link) { l.Slow(time.Millisecond) }, "silent": func(l *Link) { l.Silence() }, "silent to one": func(l *Link) { l.Silence(0) },
		"torn": func(l *Link) { l.Tear() }} {
		addr, _ := echo(t)
		l, err := New([]string{addr})
		if err != nil {
			t.Fatal(err)
		}
		bad(l)
		if met := l.Heal(); met != 0 {
			t.Errorf("%s: %d met it, and nobody was there", name, met)
		}
		c := dial(t, l.Addresses()[0])
		say(t, c, "one")
		hear(t, c, "one")
		if met := l.Heal(); met != 0 {
			t.Errorf("%s: %d met a link that was whole", name, met)
		}
		bad(l)
		if name == "slow" {
			say(t, c, "two")
			hear(t, c, "two")
		} else if name != "torn" {
			say(t, c, "two")
			for { // until it has come to the gate
				l.mu.Lock()
				met := l.met
				l.mu.Unlock()
				if met > 0 {
					break
				}
				runtime.Gosched()
			}
		}
		if met := l.Heal(); met == 0 {
			t.Errorf("%s: nothing met it", name)
		}
		if met := l.Heal(); met != 0 {
			t.Errorf("%s: %d are told twice", name, met)
		}
		l.Close()
	}
}
