package rules

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
)

// compare checks a comparison of a field with a constant; true when it reported a mistake.
func (w *writer) compare(n *ast.BinaryNode) bool {
	w.outOfReach(n)
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=", "in":
	default:
		return false
	}
	if w.orders(n) {
		return true
	}
	w.otherEvents(n)
	id, ok := n.Left.(*ast.IdentifierNode)
	right := n.Right
	if !ok {
		if id, ok = n.Right.(*ast.IdentifierNode); !ok || n.Operator == "in" {
			return false
		}
		right = n.Left
	}
	f := w.scope.fields[id.Value]
	if f == nil {
		return false
	}
	values := []ast.Node{right}
	if n.Operator == "in" {
		arr, ok := right.(*ast.ArrayNode)
		if !ok {
			return false
		}
		values = arr.Nodes
	}
	if len(values) == 0 {
		return false
	}
	wrong := false
	for _, v := range values {
		if w.isNothing(v) {
			w.failNothing(v, f, n.Operator)
			wrong = true
			continue
		}
		if other, ok := v.(*ast.IdentifierNode); ok && w.scope.fields[other.Value] == nil && f.Type == event.String {
			from, _ := spanOf(other)
			d := w.text.error(from, from+len([]rune(other.Value)), "N208", diag.Text{EN: "the text `" + other.Value + "` needs quotation marks", ZH: "文字 `" + other.Value + "` 要加英文双引号"},
				diag.Text{EN: "write \"" + other.Value + "\"", ZH: "写成 \"" + other.Value + "\""})
			d.Fix = `"` + other.Value + `"`
			w.bad, wrong = true, true
		}
		if fix := truthOf(f, v); fix != "" {
			from, to := spanOf(v)
			if id, ok := v.(*ast.IdentifierNode); ok {
				to = from + len([]rune(id.Value))
			}
			d := w.text.error(from, to, "N204", diag.Text{EN: "`" + f.Name + "` is true or false", ZH: "`" + f.Name + "` 只有 true 和 false（真和假）"}, diag.Text{EN: "write `" + fix + "`", ZH: "写成 `" + fix + "`"})
			d.Fix = fix
			w.bad, wrong = true, true
			continue
		}
		if other, ok := v.(*ast.IdentifierNode); ok && f.Type == event.Time && w.scope.fields[other.Value] == nil && other.Value[0] >= utf8.RuneSelf { // 上午9点
			from, _ := spanOf(other)
			w.text.error(from, from+len([]rune(other.Value)), "N204", mismatch(f), cure(f, v))
			w.bad, wrong = true, true
			continue
		}
		if !constant(v) {
			continue
		}
		if !fits(f.Type, v) {
			w.fail(v, "N204", mismatch(f), cure(f, v))
			wrong = true
			continue
		}
		if s, ok := v.(*ast.StringNode); ok && f.Values != nil && !slices.Contains(f.Values, s.Value) {
			from, to := spanOf(v)
			verb := diag.Text{EN: "`" + f.Name + "` never equals \"" + s.Value + "\"", ZH: "`" + f.Name + "` 不可能等于 \"" + s.Value + "\""}
			meant := strings.TrimSpace(strings.Map(visible, s.Value))
			switch {
			case meant != s.Value:
				verb.EN, verb.ZH = verb.EN+": there is a space or an invisible character too many", verb.ZH+"（多了空格或看不见的字符）"
			case slices.ContainsFunc(f.Values, func(x string) bool { return strings.EqualFold(x, s.Value) }):
				verb.ZH += "（区分大小写）"
			}
			d := w.text.error(from, to, "N206", verb, diag.Text{EN: "its values are " + strings.Join(f.Values, ", "), ZH: "可选值：" + strings.Join(f.Values, "、")})
			if fix := diag.Nearest(meant, f.Values); fix != "" {
				d.Fix = `"` + fix + `"`
			}
			if all := manyInOne(s.Value, f.Values); len(all) > 0 {
				list := `"` + strings.Join(all, `", "`) + `"`
				d.Fix, d.Hint = "", diag.Text{EN: "several values stand in a list: `" + f.Name + " in [" + list + "]`", ZH: "多个值要写成列表：`" + f.Name + " in [" + list + "]`"}
				if n.Operator == "in" {
					d.Fix, d.Hint = list, diag.Text{EN: "write each by itself: " + list, ZH: "每个值要分开写：" + list}
				}
			}
			w.bad, wrong = true, true
		}
		if s, ok := v.(*ast.StringNode); ok && f.Values == nil && n.Operator == "in" {
			w.joined(s)
		}
	}
	if wrong {
		return true
	}
	if f.Scale != "" && (n.Operator == "==" || n.Operator == "!=" || n.Operator == "in") && constant(values[0]) {
		from, to := w.text.place(spanOf(n))
		w.text.node.WarnAt(from, to, "W218", diag.Text{EN: "`" + f.Name + "` is a scaled number: `" + n.Operator + "` may miss by a hair", ZH: "`" + f.Name + "` 是换算后的小数，用 `" + n.Operator + "` 可能差一点点"},
			diag.Text{EN: "compare with >= and <", ZH: "请用 >= 和 < 比较"})
	}
	return false
}

// joined warns of a text in a list that seems to be several, as "北京，上海". An English comma is often part of one, but for Chinese.
func (w *writer) joined(s *ast.StringNode) {
	comma := strings.ContainsAny(s.Value, "，、；") || strings.ContainsAny(s.Value, ",;") && strings.ContainsFunc(s.Value, func(r rune) bool { return unicode.Is(unicode.Han, r) })
	var all []string
	for _, part := range strings.FieldsFunc(s.Value, func(r rune) bool { return strings.ContainsRune(",，、;；", r) }) {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, quoteText(part))
		}
	}
	if !comma || len(all) < 2 {
		return
	}
	fix := strings.Join(all, ", ")
	from, to := w.text.place(spanOf(s))
	w.text.node.WarnAt(from, to, "W224", diag.Text{EN: "this is one text, with a comma in it", ZH: "这是一整段文字，逗号也在里面"},
		diag.Text{EN: "for several write " + fix, ZH: "如果是几个值，请写 " + fix}).Fix = fix
}

// manyInOne gives the values that a text names together, where it names nothing else.
func manyInOne(text string, values []string) (all []string) {
	for _, part := range parted(`"` + text + `"`) {
		if part = part[1 : len(part)-1]; !slices.Contains(values, part) {
			return nil
		}
		all = append(all, part)
	}
	if len(all) < 2 {
		return nil
	}
	return all
}

// truthOf gives what a bool field is meant to be where it is compared with a word, a text or a number that stands for it; "" where nothing is.
func truthOf(f *event.Field, v ast.Node) string {
	said := ""
	switch v := v.(type) {
	case *ast.IdentifierNode:
		said = v.Value
	case *ast.StringNode:
		said = v.Value
	case *ast.IntegerNode:
		said = strconv.Itoa(v.Value)
	}
	if f.Type != event.Bool {
		return ""
	}
	if fix := truths[said]; fix != "" {
		return fix
	}
	return map[string]string{"true": "true", "1": "true", "是": "true", "有": "true", "真": "true", "false": "false", "0": "false", "无": "false", "没有": "false", "假": "false"}[said]
}

func constant(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.BoolNode:
		return true
	case *ast.UnaryNode:
		return (n.Operator == "-" || n.Operator == "+") && constant(n.Node)
	}
	return false
}

// fits reports whether a constant may stand where a field of a type does. What is no constant is expr's to judge.
func fits(t event.Type, n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return t == event.Number
	case *ast.UnaryNode:
		return n.Operator == "not" || n.Operator == "!" || fits(t, n.Node)
	case *ast.StringNode:
		return t == event.String
	case *ast.BoolNode:
		return t == event.Bool
	}
	return true
}

func mismatch(f *event.Field) diag.Text {
	zh := map[event.Type]string{event.String: "文字", event.Number: "数字", event.Bool: "真假值", event.Time: "时间", event.List: "列表"}[f.Type]
	return diag.Text{EN: "`" + f.Name + "` is a " + string(f.Type), ZH: "`" + f.Name + "` 是" + zh}
}

func cure(f *event.Field, v ast.Node) diag.Text {
	switch f.Type {
	case event.Number:
		return diag.Text{EN: "write a number without quotation marks", ZH: "请写不带引号的数字"}
	case event.String:
		return diag.Text{EN: "write the text in quotation marks", ZH: "请写带英文引号的文字"}
	case event.Bool:
		return diag.Text{EN: "write the field alone, or not " + f.Name, ZH: "直接写字段名，或 not " + f.Name}
	case event.List:
		return diag.Text{EN: "write `value in " + f.Name + "`", ZH: "请写 `值 in " + f.Name + "`"}
	}
	return diag.Text{EN: "a time is compared with another time only; for dates use `from`, `until`", ZH: "时间只能和时间比；按日期请用 `from`、`until`"}
}

// orders checks a comparison by size of texts, which goes letter by letter: "10" < "9", and svip is less than vip. Of a closed list it is
// known what comes of it; else only texts that are all as long, like dates, are sure to be meant so. It reports whether there is a mistake.
func (w *writer) orders(n *ast.BinaryNode) bool {
	if !slices.Contains([]string{"<", "<=", ">", ">="}, n.Operator) {
		return false
	}
	left, right := w.textField(n.Left), w.textField(n.Right)
	f := left
	if f == nil {
		f = right
	}
	said := ""
	isText := func(n ast.Node) bool {
		s, ok := n.(*ast.StringNode)
		if ok {
			said = s.Value
		}
		return ok
	}
	okLeft, okRight := isText(n.Left), isText(n.Right)
	msg := func(en, zh string) diag.Text {
		return diag.Text{EN: "`" + f.Name + "` is a text: `" + n.Operator + "` compares letter by letter, " + en, ZH: "`" + f.Name + "` 是文字：`" + n.Operator + "` 按字符逐个比较，" + zh}
	}
	switch {
	case f == nil || !(left != nil || okLeft) || !(right != nil || okRight): // the types do not go together
	case f.Values != nil && !slices.IsSorted(f.Values):
		w.fail(n, "N204", msg("not in the order of its values", "不按可选值的先后"), diag.Text{EN: "name the values: `" + f.Name + " in [...]`; they are " + strings.Join(f.Values, ", "), ZH: "请把要的值列出来：`" + f.Name + " in [...]`；可选值：" + strings.Join(f.Values, "、")})
		return true
	case f.Values == nil && (okLeft || okRight) && !inOrder.MatchString(said):
		from, to := w.text.place(spanOf(n))
		w.text.node.WarnAt(from, to, "W222", msg("\"10\" is less than \"9\"", "\"10\" 会小于 \"9\""), diag.Text{EN: "for numbers the catalogue needs `type: number`; for texts use `==`, `in [...]` or `startsWith`", ZH: "要比大小，请在事件目录里写 `type: number`；文字请用 `==`、`in [...]` 或 `startsWith`"})
	}
	return false
}

// inOrder are texts that letters order as they should: dates and times of day.
var inOrder = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}|^[0-9]{4}/[0-9]{2}|^[0-9]{2}:[0-9]{2}|^(19|20)[0-9]{6}$`)

// textField gives the field of text that a side of a comparison is, as it is now or was before.
func (w *writer) textField(n ast.Node) *event.Field {
	name := ""
	switch n := n.(type) {
	case *ast.IdentifierNode:
		name = n.Value
	case *ast.MemberNode:
		base, _ := n.Node.(*ast.IdentifierNode)
		if prop, ok := n.Property.(*ast.StringNode); ok && base != nil && base.Value == "before" {
			name = prop.Value
		}
	case *ast.BinaryNode:
		if n.Operator == "??" {
			return w.textField(n.Left)
		}
	case *ast.BuiltinNode:
		if len(n.Arguments) == 1 && slices.Contains([]string{"lower", "upper", "trim"}, n.Name) {
			return w.textField(n.Arguments[0])
		}
	}
	if f := w.scope.fields[name]; f != nil && f.Type == event.String {
		return f
	}
	return nil
}

// otherEvents warns of an event's name that event.type never has here.
func (w *writer) otherEvents(n *ast.BinaryNode) {
	isType := func(n ast.Node) bool {
		m, ok := n.(*ast.MemberNode)
		if !ok {
			return false
		}
		base, _ := m.Node.(*ast.IdentifierNode)
		prop, _ := m.Property.(*ast.StringNode)
		return base != nil && base.Value == "event" && prop != nil && prop.Value == "type"
	}
	values := []ast.Node{n.Right}
	switch {
	case w.scope.open || w.scope.guessed || w.scope.table || len(w.scope.events) == 0 || !slices.Contains([]string{"==", "!=", "in"}, n.Operator):
		return
	case isType(n.Right):
		values[0] = n.Left
	case !isType(n.Left):
		return
	}
	if list, ok := n.Right.(*ast.ArrayNode); ok {
		values = list.Nodes
	}
	for _, v := range values {
		s, ok := v.(*ast.StringNode)
		if !ok || slices.Contains(w.scope.events, s.Value) {
			continue
		}
		from, to := w.text.place(spanOf(v))
		d := w.text.node.WarnAt(from, to, "W212", diag.Text{EN: "`event.type` never equals \"" + s.Value + "\" in this rule", ZH: "这条规则里 `event.type` 不可能等于 \"" + s.Value + "\""},
			diag.Text{EN: "the events of the rule are " + strings.Join(w.scope.events, ", "), ZH: "这条规则的事件：" + strings.Join(w.scope.events, "、")})
		if fix := diag.Nearest(s.Value, w.scope.events); fix != "" {
			d.Fix = quoteText(fix)
		}
	}
}
