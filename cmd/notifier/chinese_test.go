package main

import (
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/notifier/notifier/internal/app"
	"github.com/notifier/notifier/internal/diag"
	"github.com/notifier/notifier/internal/ledger"
)

// english are the words around what operations people read, none of which stands in Chinese output.
var english = regexp.MustCompile(`\b(next|by|owner|pending:|intents|waiting|reserved|possible|last|EVENT|TIME|FATE|STATE|EXPIRES|killed|instance|no rule|did you mean|unknown --|accepts|received)\b|since \d|: --format json`)

// Who reads Chinese reads it in what tells how things are: the tables, their heads, their sums.
func TestWhatOperationsReadIsChinese(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run()
	w.order("ord-1", "u-1")
	until(t, "the push", func() bool { return w.sent("ord-1") == 1 })
	if code, out, talk := once(t, w.dir, "pause", "rule/thanks", "--why", "等通知", "--by", "li", "--yes", "--lang", "zh"); code != 0 || !strings.Contains(out, "：已暂停\n完成：pause rule/thanks") {
		t.Fatalf("pause: exit %d\n%s%s", code, out, talk)
	}
	w.order("ord-2", "u-1")
	until(t, "a held intent", func() bool {
		_, out, _ := once(t, w.dir, "status")
		return strings.Contains(out, "+ 1 pending")
	})
	for line, want := range map[string][]string{
		"fates":                   {"事件                     时间           用户             规则                     处理结果\n", "2 个事件：0 个没有规则匹配，0 个是死信，2 个有待发任务；2 个待发任务 = 1 个有处理结果 + 1 个没处理完 ✓\n"},
		"fates ord-2":             {"事件 ord-2 还没有处理结果：1 个待发任务没有处理完，第一个属于规则 thanks（paused）   下一步：notifier explain ord-2\n"},
		"fates ord-3":             {`事件 "ord-3" 没有处理结果：没有规则匹配，或者它成了死信（notifier dead ls），或者没有来过；下一步：notifier explain ord-3`},
		"fates --rule thanx":      {`没有规则 "thanx"，有：city-tag、thanks；是不是想写 thanks？`},
		"fates --since 昨天":        {`"昨天" 不是时间：请写 10m、2h ago`},
		"pending list":            {"编号", "不早于", "过期作废", "暂停 rule/thanks", "共 1 个：1 paused\n"},
		"pending list --rule nix": {`没有规则 "nix"，有：city-tag、thanks`},
		"status":                  {"实例 one", "分区 0  由 one 负责  待发任务 ", "暂停  rule/thanks  操作人 li：等通知  从 20", "下一步：notifier resume rule/thanks --why 原因\n"},
		"quota":                   {"main/broadcast   最近 60 分钟 0/2", "当天 ", "下次可发 现在\n", "等待：0 个请求\n", "main/user 每秒 "},
		"attempts AAAAAA-0-9":     {`没有发送记录 "AAAAAA-0-9"，处理结果里也没有提到它；下一步：notifier attempts，或 notifier fates`},
		"status --why":            {"one 计算规则，one 发送", "… pauses       rule/thanks 已暂停，操作人 li：等通知  从 20", "下一步：notifier resume rule/thanks --why 原因\n", "✓ credentials  厂商接受凭证\n", "规则 thanks，事件 ord-1，main/user  从 20"},
		"attempts":                {"发送记录  时间"},
		"kill thanks":             {`缺少 --why：请写原因，会留在记录里，例如 --why "厂商故障 4711"`, "下一步：notifier kill --help"},
	} {
		_, out, talk := once(t, w.dir, append(strings.Fields(line), "--lang", "zh")...)
		for _, part := range want {
			if !strings.Contains(out+talk, part) {
				t.Errorf("%s: %q is missing\n%s%s", line, part, out, talk)
			}
		}
		if found := english.FindString(strings.Replace(out+talk, "✓ last sent ", "", 1)); found != "" { // the name of a gate, as the manual has it
			t.Errorf("%s: says %q\n%s%s", line, found, out, talk)
		}
	}
	if _, out, talk := once(t, w.dir, "fates", "--rule", "thanx"); out != "" || !strings.Contains(talk, `no rule "thanx"`) {
		t.Errorf("a head before an error:\n%s%s", out, talk)
	}
}

// What is wrong with a command line is said in Chinese to its end, the next command too; without a broker.
func TestWrongUseInChinese(t *testing.T) {
	t.Setenv("S", "x")
	inDir(t, map[string]string{"notifier.yaml": scopeSettings, "bad.yaml": "version: 1\n", "rules/events.yaml": testCatalogue, "rules/rules.yaml": testRules, "a.jsonl": "{\"topic\":\"orders\",\"value\":{}}\n", "b.jsonl": "[]\n"})
	for line, want := range map[string]string{
		"attempts resolve": "要 1 个参数，给了 0 个",
		"skip a b":         "要 1 个参数，给了 2 个", "explain a b": "最多 1 个参数，给了 2 个",
		"fates --fate nope":                     `没有 --fate "NOPE"：SENT、COALESCED、SUPPRESSED、DEAD、UNKNOWN`,
		"fates --since":                         "--since 后面缺少值；下一步：notifier fates --help",
		"fates --rule a --rule b":               `--rule 只能写一个值，前面已经写了 "a"，又写了 "b"；下一步：notifier fates --help`,
		"quota charge main/broadcast --count x": `--count 的值 "x" 不对；下一步：notifier quota charge --help`,
		"status -x":                             "没有 -x 这个参数；下一步：notifier status --help",
		"status main":                           `notifier status 只接受参数（--…），"main" 不是；下一步：notifier status --help`,
		"status --format xml":                   `没有 --format "xml"：text 或 json`,
		"fates --format xml":                    `没有 --format "xml"：text、json 或 jsonl`,
		"pause":                                 "缺少范围：请写要暂停什么",
		"pause rule/thanx --why x":              `没有规则 "thanx"，有：city-tag、thanks；是不是想写 thanks？`,
		"pause account/nope --why x":            `没有账号 "nope"，有：main`,
		"pause thanks --why x":                  `没有范围 "thanks"：all | broadcasts | account/账号`,
		"attempts resolve K-0-1 --as sent":      "缺少 --why：请写原因",
		"attempts resolve nonsense --as sent":   "缺少 --why",
		"recall nonsense":                       `"nonsense" 不是发送记录的编号；下一步：notifier attempts --unknown`,
		"explain-code N999":                     `没有代码 "N999"：全部见`,
		"explain-code N10x":                     `没有代码 "N10x"：是不是想写 N10`,
		"config check -c bad.yaml":              "设置有错误；下一步：改好以后运行 `notifier config check -c bad.yaml`",
		"explain --event nosuch.jsonl":          "打开 nosuch.jsonl：没有这个文件或文件夹",
		"backtest --from nosuch.jsonl":          "打开 nosuch.jsonl：没有这个文件或文件夹",
		"backtest --from a.jsonl":               "a.jsonl:1 不是记录：没有 `timestamp`（`ts`）；每行写",
		"backtest --from b.jsonl":               "b.jsonl:1 不是记录：这不是 JSON 对象；每行写",
		"pending":                               "notifier pending 包含几个命令：cancel、extend、list",
		"schema nope":                           `没有 schema "nope"：events、rules 或 settings`,
		"pending list --state nope":             `没有 --state "nope"：`,
		"pending extend --why x":                "缺少 --rule：请写哪条规则的待发任务晚一些过期",
		"check --color nope":                    `没有 --color "nope"：auto、always 或 never`,
		"quota charge main/broadcast --why x":   "--count 是用掉的名额数，1 到 ",
		"status --rule thanks":                  "--rule 要和 --why 一起用",
		"fates --user=":                         "--user 是空的；下一步：",
	} {
		started := false
		root := newRootCmd(&started)
		var out, talk strings.Builder
		root.SetOut(&out)
		root.SetErr(&talk)
		root.SetArgs(append([]string{"--lang", "zh"}, strings.Fields(line)...))
		cmd, err := root.ExecuteContextC(t.Context())
		if err == nil {
			t.Errorf("%s: no error", line)
			continue
		}
		says := said(cmd, err) + "\n" + nextFor(cmd, exitCode(err, started), err)
		if found := english.FindString(says); !strings.Contains(says, want) || found != "" {
			t.Errorf("%s: %q, and %q\n%s", line, says, found, out.String())
		}
	}
	down := &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}
	if got := pathZH(down); got != "打开 x：没有权限" {
		t.Error(got)
	}
	if got := pathZH(&fs.PathError{Op: "sync", Path: "x", Err: errors.New("odd")}); got != "sync x：odd" {
		t.Error(got)
	}
}

func TestAResyncInChinese(t *testing.T) {
	x := app.ResyncView{Part: 1, Parts: 4, Results: ledger.Drift{Checked: 9, Differ: 2, Missing: 1, Extra: 1, Repaired: 2, Refused: 3}}
	if got, want := howFar(&x, time.UTC, diag.ZH), "完成 1 部分，共 4 部分：比对了 9 个用户，2 个不一致（缺 1 个标签，多 1 个），修好 2 个，3 个被厂商拒绝"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := howFar(&x, time.UTC, diag.EN); got != "1 of 4 parts done: "+x.Results.String() {
		t.Errorf("%q", got)
	}
}

func TestSomeOfAListInChinese(t *testing.T) {
	if got := some(strings.Fields("a b c d e f g h i j k l"), "zh"); got != "a、b、c、d、e、f、g、h、i、j，另有 2 个，见 --format json" {
		t.Error(got)
	}
}
