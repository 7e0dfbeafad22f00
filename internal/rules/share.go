package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"regexp"
	"strconv"

	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/event"
	"github.com/notifier/notifier/internal/intent"
)

// bucket places a user of a rule in one of a hundred equal parts. It depends on nothing else, so it is the same in every process, after
// every restart and in every release; what names a purpose of its own, so that the users of a canary are not all of one variant.
func bucket(what, rule, user string) int {
	sum := sha256.Sum256([]byte(what + "\x00" + rule + "\x00" + user))
	return int(binary.BigEndian.Uint64(sum[:8]) % 100)
}

var canaryText = regexp.MustCompile(`^canary ([0-9]{1,2})%$`)

// canary reads `mode: canary 5%`.
func (l *loader) canary(n *diag.Node, r *Rule) {
	m := canaryText.FindStringSubmatch(n.Text)
	switch {
	case r.Action == intent.Broadcast:
		n.Error("N530", diag.Text{EN: "a broadcast has no canary: it reaches an audience, not single users", ZH: "人群推送不能灰度：它发给整个人群，不是逐个用户"}, diag.Text{EN: "`mode: shadow`, or an audience with a tag of few", ZH: "请用 `mode: shadow`，或用人数少的标签作人群"})
	case m == nil && n.Wide(canaryText.MatchString):
	case m == nil:
		n.Error("N530", diag.Text{EN: "`" + n.Text + "` is not a canary", ZH: "`" + n.Text + "` 不是灰度的写法"}, diag.Text{EN: "write a whole percentage, like `canary 5%`; nobody is `shadow`, everybody is `live`", ZH: "请写整数百分比，例如 `canary 5%`；都不发用 `shadow`，都发用 `live`"})
	default:
		r.Mode = Canary
		r.percent, _ = strconv.Atoi(m[1])
		if r.percent == 0 {
			n.Error("N530", diag.Text{EN: "a canary of 0% sends to nobody", ZH: "灰度 0% 谁都不发"}, diag.Text{EN: "write `shadow`, or 1% to 99%", ZH: "请写 `shadow`，或 1% 到 99%"})
		}
	}
}

var (
	firstWord = regexp.MustCompile(`^\p{L}+`)
	percent   = regexp.MustCompile(`^[^0-9]*([1-9][0-9]?) ?[%％]?$`)
)

// almostCanary reports a mode that seems to be a canary under another name.
func almostCanary(n *diag.Node) bool {
	if n == nil || n.Kind != diag.Scalar {
		return false
	}
	word := firstWord.FindString(n.Text)
	if word != "灰度" && diag.Nearest(word, []string{"canary"}) == "" {
		return false
	}
	d := n.Error("N112", diag.Text{EN: "`" + n.Text + "` is not possible here", ZH: "这里不能写 `" + n.Text + "`"}, diag.Text{EN: "did you mean `canary N%`, like `canary 5%`?", ZH: "是不是想写 `canary N%`，例如 `canary 5%`？"})
	if m := percent.FindStringSubmatch(n.Text); m != nil {
		d.Fix = "canary " + m[1] + "%"
		d.Hint = diag.Text{EN: "did you mean `" + d.Fix + "`?", ZH: "是不是想写 `" + d.Fix + "`？"}
	}
	return true
}

// leavesOut reports whether the rule's canary leaves a user out. Who is in stays in when the percentage grows.
func (r *Rule) leavesOut(user string) bool {
	return r.Mode == Canary && bucket("canary", r.Name, user) >= r.percent
}

// IfIn gives the intent of a business event that its rule's canary left out, as it would be for somebody who is in it; nil when the
// rule is no longer there. It is for explanations: nothing of it is sent.
func (s *Set) IfIn(ev *event.Event, in *intent.Intent) *intent.Intent {
	r := s.Rule(in.Rule)
	if r == nil || ev.Spec.Kind == event.Profile {
		return nil
	}
	src := eventSource{ev, s.opt.Zone}
	a := &subject{ev: ref(ev), user: ev.User, src: src, get: texts(src), press: new(press)}
	out := s.write(r, s.blank(r, a, in.Target), in.Target, a)
	out.Key = in.Key
	return out
}

// CanaryOf gives the bucket of a user in the rule's canary, of 100, and below which number buckets are in it.
func (r *Rule) CanaryOf(user string) (in, below int) {
	return bucket("canary", r.Name, user), r.percent
}

// variant is one of several texts of a push.
type variant struct {
	name    string
	upTo    int // it is for the users of the buckets below, down to the one before it
	content *content
	node    *diag.Node
}

// maxVariants bounds them: each is one more text to check, and a share below a tenth proves little.
const maxVariants = 10

var variantName = regexp.MustCompile(`^[a-z0-9-]{1,30}$`)

// variants reads the list. It runs when the push's own texts, which hold for all that a variant does not say, have been read.
func (l *loader) variants(n *diag.Node, r *Rule) {
	if n == nil {
		return
	}
	if r.Action == intent.Broadcast {
		n.Error("N537", diag.Text{EN: "a broadcast has no variants: everybody in the audience gets the same request", ZH: "人群推送没有变体：整个人群收到同一条"}, diag.Text{EN: "use `push`, or a broadcast each for two tags", ZH: "请用 `push`，或按两个标签各写一条人群推送"})
		return
	}
	if n.Kind != diag.Sequence || len(n.Items) < 2 || len(n.Items) > maxVariants {
		n.Error("N537", diag.Text{EN: "`variants` is a list of 2 to 10", ZH: "`variants` 是 2 到 10 项的列表"}, diag.Text{EN: "like `- {name: short, share: 50, body: \"...\"}`", ZH: "例如 `- {name: short, share: 50, body: \"...\"}`"})
		return
	}
	if r.oneNode != nil {
		n.Error("N537", diag.Text{EN: "`merge.one` and `variants` both write the text of a single trigger", ZH: "`merge.one` 和 `variants` 都在写单个事件的文案"}, diag.Text{EN: "keep one of them", ZH: "只保留一个"})
		return
	}
	names, sum, good := map[string]bool{}, 0, true
	for _, it := range n.Items {
		v, ok := l.variant(it, r)
		if !ok {
			good = false
			continue
		}
		if names[v.name] {
			it.Get("name").Error("N537", diag.Text{EN: "two variants are called `" + v.name + "`", ZH: "有两个变体都叫 `" + v.name + "`"}, diag.Text{EN: "each has a name of its own: fates tell it", ZH: "名字不能重复：处理结果里会写它"})
		}
		names[v.name] = true
		sum += v.upTo
		v.upTo = sum
		r.variants = append(r.variants, v)
	}
	if good && sum != 100 {
		n.Error("N537", diag.Text{EN: "the shares sum to " + strconv.Itoa(sum) + ", not to 100", ZH: "各个 `share` 加起来是 " + strconv.Itoa(sum) + "，不是 100"}, diag.Text{EN: "whole percents that sum to 100", ZH: "请写整数百分比，合计 100"})
	}
}

// variant reads one; upTo is its share.
func (l *loader) variant(n *diag.Node, r *Rule) (v variant, ok bool) {
	if !n.Keys("name", "share", "title", "body") {
		return v, false
	}
	v.node = n
	name := n.Need("name")
	if v.name, ok = name.String(); !ok {
		return v, false
	}
	if !variantName.MatchString(v.name) {
		name.Error("N537", diag.Text{EN: "`" + v.name + "` cannot be the name of a variant", ZH: "`" + v.name + "` 不能作变体的名字"}, diag.Text{EN: "1 to 30 of a-z, 0-9 and -", ZH: "1 到 30 个小写字母、数字、-"})
	}
	share := n.Need("share")
	text, ok := share.String()
	if !ok {
		return v, false
	}
	if m := shareText.FindStringSubmatch(text); m != nil {
		v.upTo, _ = strconv.Atoi(m[1])
	}
	if v.upTo == 0 {
		share.Error("N537", diag.Text{EN: "`" + text + "` is not a share", ZH: "`" + text + "` 不是份额"}, diag.Text{EN: "whole percents, like `50` or `50%`", ZH: "请写整数百分比，例如 `50` 或 `50%`"})
		return v, false
	}
	own := *r.content
	own.variants = nil
	if t := n.Get("title"); t != nil {
		own.title = l.text(t, r.scope)
	}
	if t := n.Get("body"); t != nil {
		emptyBody(t)
		own.body = l.text(t, r.scope)
	}
	switch {
	case n.Get("title") == nil && n.Get("body") == nil:
		n.Error("N537", diag.Text{EN: "variant `" + v.name + "` has neither `title` nor `body`", ZH: "变体 `" + v.name + "` 没有 `title` 也没有 `body`"}, diag.Text{EN: "add the text that is its own", ZH: "请写上它自己的文案"})
	case own.body == nil && n.Get("body") == nil && r.content.body == nil:
		n.Error("N114", diag.Text{EN: "`body` is missing", ZH: "缺少 `body`（正文）"}, diag.Text{EN: "here, or in `push` for all variants", ZH: "写在这里，或写在 `push` 里供所有变体使用"})
	}
	own.isOpen, _ = own.open()
	own.hides = own.personal(r.scope)
	v.content = &own
	r.content.variants = append(r.content.variants, &own)
	return v, true
}

var shareText = regexp.MustCompile(`^([0-9]{1,2})%?$`)

// contentFor is the texts for a user, and the name of the variant they are of.
func (r *Rule) contentFor(user string) (*content, string) {
	if len(r.variants) == 0 {
		return r.content, ""
	}
	b := bucket("variant", r.Name, user)
	for _, v := range r.variants {
		if b < v.upTo {
			return v.content, v.name
		}
	}
	return r.content, "" // the shares sum to 100
}
