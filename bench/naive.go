package main

import (
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"github.com/tidwall/gjson"

	"github.com/notifier/notifier/bench/load"
)

// naive is the plain way to evaluate rules, and the oracle of the benches that count matches: gjson for each field, the program
// of every rule. It shares no code with ours.
type naive struct {
	programs []*vm.Program
	machine  vm.VM
	env      map[string]any
}

func newNaive(k load.KindSet, n int) (*naive, error) {
	v := &naive{env: map[string]any{"kind": "", "amount": 0.0, "store": "", "region": "", "vip": false}}
	for i := range n {
		p, err := expr.Compile(k.When(i), expr.Env(v.env), expr.AsBool())
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", k.When(i), err)
		}
		v.programs = append(v.programs, p)
	}
	return v, nil
}

// matches gives the places of the rules that match an order; out is overwritten.
func (v *naive) matches(out []int, order []byte) ([]int, error) {
	out = out[:0]
	if !gjson.ValidBytes(order) {
		return out, fmt.Errorf("not JSON: %s", order)
	}
	v.env["kind"] = gjson.GetBytes(order, "kind").String()
	v.env["amount"] = gjson.GetBytes(order, "payment.amount").Float()
	v.env["store"] = gjson.GetBytes(order, "store.id").String()
	v.env["region"] = gjson.GetBytes(order, "store.region").String()
	v.env["vip"] = gjson.GetBytes(order, "user.vip").Bool()
	for i, p := range v.programs {
		yes, err := v.machine.Run(p, v.env)
		if err != nil {
			return out, err
		}
		if yes == true {
			out = append(out, i)
		}
	}
	return out, nil
}
