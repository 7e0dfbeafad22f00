package intent

import "testing"

func TestARoomGivesEmptyThingsAndForgets(t *testing.T) {
	var r Room
	for range 3 {
		a, b := r.Intent(), r.Intent()
		if a == b || a.Rule != "" || b.Rule != "" || a.Policy.Once != nil {
			t.Fatal("not two empty intents")
		}
		a.Rule, a.Policy.Once = "x", &Once{}
		c := r.Content()
		if c.Body != "" {
			t.Fatal("not an empty content")
		}
		c.Body = "x"
		p := r.Profile()
		if p.Gone || len(p.Fields) != 0 {
			t.Fatal("not an empty profile")
		}
		p.Gone, p.Fields["x"] = true, Value{}
		one, two := r.List(40), r.List(40)
		one, two = append(one, a), append(two, b)
		if len(one) != 1 || one[0] != a || len(two) != 1 || two[0] != b || cap(one) != 40 {
			t.Fatal("lists overlap")
		}
		r.Empty()
	}
	if n := testing.AllocsPerRun(100, func() { r.Intent(); r.Content(); r.Profile(); r.List(3); r.Empty() }); n != 0 {
		t.Errorf("%v allocations in a room that is large enough", n)
	}
}
