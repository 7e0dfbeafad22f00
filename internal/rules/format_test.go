package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/notifier/notifier/internal/diag"
)

// Each case is a file as somebody wrote it, and as it should be.
func TestFormat(t *testing.T) {
	in := "\ufeffversion: 1\r\nrules:\r\n" + `  # 感谢 · Thanks
  - title: 感谢
    name: thanks   
    # only large ones
    when：
		　- amount ＞ ５００
      - 城市 == “北京”
    event: order.paid


    # how it is sent
    mode: live
    class: marketing
    limits:
      expire: 1h
      per_user: 1 in 24h
    tags_note_is_unknown: x
    push：
      body: 您的订单 "${order_id}" 已支付，请留意
      title: 感谢
      link: app://orders/${order_id}
    notes: |
      # not a comment
        kept   as it is  

      end
  - name: second
    event: [order.paid， sale.opened]
    when: always
    push: {body: 'it''s "good" \', title: '好的'}
    mode: off
# the end of the file
`
	want := `version: 1
rules:
  # 感谢 · Thanks
  - name: thanks
    title: 感谢
    notes: |
      # not a comment
        kept   as it is  

      end
    event: order.paid

    # how it is sent
    mode: live
    class: marketing
    # only large ones
    when:
      - amount > 500
      - 城市 == "北京"
    push:
      title: "感谢"
      body: "您的订单 \"${order_id}\" 已支付，请留意"
      link: app://orders/${order_id}
    limits:
      per_user: 1 in 24h
      expire: 1h
    tags_note_is_unknown: x

  - name: second
    event: [order.paid, sale.opened]
    mode: off
    when: always
    push: {body: "it's \"good\" \\", title: "好的"}
# the end of the file
`
	catalogue, err := os.ReadFile("testdata/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := []File{{"events.yaml", catalogue}, {"rules.yaml", []byte(in)}}
	out := format(t, files)["rules.yaml"]
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
	if again := format(t, []File{files[0], {"rules.yaml", []byte(out)}})["rules.yaml"]; again != out {
		t.Errorf("formatted twice it is\n%s", again)
	}
}

func format(t *testing.T, files []File) map[string]string {
	t.Helper()
	fs, err := Format(files, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range fs {
		out[f.File.Name] = string(f.Out)
		if f.Moved > 0 {
			out["repaired "+f.File.Name] = "yes"
		}
	}
	return out
}

// Over every example there is, good and bad: nothing that a file says changes, formatting twice changes nothing more, and what ships is
// formatted.
func TestFormatKeepsWhatFilesSay(t *testing.T) {
	catalogue, err := os.ReadFile("testdata/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, pattern := range []string{"../../rules/*.yaml", "testdata/mistakes/*.yaml", "testdata/bad/*.yaml", "../../test/*/rules/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			n++
			formatted := format(t, []File{{"events.yaml", catalogue}, {name, data}})
			out := formatted[name]
			if again := format(t, []File{{"events.yaml", catalogue}, {name, []byte(out)}})[name]; again != out {
				t.Errorf("%s: formatted twice it is\n%s\nonce\n%s", name, again, out)
			}
			if shipped := strings.HasPrefix(pattern, "../../rules"); shipped && out != string(data) {
				t.Errorf("%s is not formatted: `notifier fmt rules/`", name)
			}
			before, after := diag.Parse(name, data), diag.Parse(name, []byte(out))
			if before.List.Errors() == 0 && before.Root != nil && formatted["repaired "+name] == "" && !sameTree(before.Root, after.Root) {
				t.Errorf("%s says something else:\n%s", name, out)
			}
			for _, comment := range comments(string(data)) {
				if !strings.Contains(out, comment) {
					t.Errorf("%s: the comment %q is gone", name, comment)
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d files", n)
	}
}

// White space that is no indentation becomes the indentation that was meant, whatever the line; where it could be one of several, the line is
// named and nothing is changed.
func TestFormatRepairsTheIndentationOfEachLine(t *testing.T) {
	catalogue := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	lines := strings.Split(rich, "\n")
	whole := format(t, []File{catalogue, {"r.yaml", []byte(rich)}})["r.yaml"]
	unclear, all := 0, 0
	for i, line := range lines {
		if indent(line) == 0 {
			continue
		}
		for _, space := range []string{"\t", "　", "\t\t", strings.Repeat("\t", indent(line)/2)} {
			damaged := slices.Clone(lines)
			damaged[i] = space + strings.TrimLeft(line, " ")
			in := strings.Join(damaged, "\n")
			fs, err := Format([]File{catalogue, {"r.yaml", []byte(in)}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			all++
			switch f := fs[1]; {
			case f.Unclear > 0: // a key between a deeper and a shallower one, say
				if unclear++; f.Unclear != i+1 || string(f.Out) != in || !f.Left {
					t.Errorf("line %d with %q: unclear is line %d, changed %t", i+1, space, f.Unclear, f.Changed())
				}
			case string(f.Out) != whole:
				t.Errorf("line %d with %q stands elsewhere:\n%s", i+1, space, f.Out)
			}
		}
	}
	if unclear > all/4 {
		t.Errorf("%d of %d are unclear", unclear, all)
	}
}

// Tabs and full-width spaces mixed with spaces, as editors write them: lines that began alike stay siblings.
func TestFormatRepairsTheIndentationOfAFile(t *testing.T) {
	catalogue := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	text := strings.Replace(rich, `    title: 感谢
`, `    title: 感谢
    # 说明
    notes: |
      第一行
        　　第二行

      # 第三行
    links: [app://a,
      app://b]
    owner: 增长
      小组
`, 1)
	whole := format(t, []File{catalogue, {"r.yaml", []byte(text)}})["r.yaml"]
	if before, after := diag.Parse("", []byte(text)), diag.Parse("", []byte(whole)); before.List.Errors() > 0 || !sameTree(before.Root, after.Root) {
		t.Fatal(whole, show(before.List))
	}
	for name, by := range map[string]func(n int) string{
		"a tab for 2":              func(n int) string { return strings.Repeat("\t", n/2) },
		"a tab for 4":              func(n int) string { return strings.Repeat("\t", n/4) + strings.Repeat(" ", n%4) },
		"a tab for 8":              func(n int) string { return strings.Repeat("\t", n/8) + strings.Repeat(" ", n%8) },
		"a tab for the first 2":    func(n int) string { return "\t" + strings.Repeat(" ", n-2) },
		"full-width spaces":        func(n int) string { return strings.Repeat("　", n/2) },
		"one full-width space":     func(n int) string { return "　" + strings.Repeat(" ", n-2) },
		"full-width spaces behind": func(n int) string { return strings.Repeat(" ", n%4) + strings.Repeat("　", n/4*2) },
		"a tab behind a space":     func(n int) string { return " \t" + strings.Repeat(" ", n-2) },
		"no-break spaces":          func(n int) string { return strings.Repeat("\u00a0", n) },
	} {
		var lines []string
		for _, line := range strings.Split(text, "\n") {
			n := indent(line)
			if strings.Contains(line, "第二行") {
				n = 6 // the rest of it is text
			}
			if n > 1 {
				line = by(n) + line[n:]
			}
			lines = append(lines, line)
		}
		in := strings.Join(lines, "\n")
		if out := format(t, []File{catalogue, {"r.yaml", []byte(in)}})["r.yaml"]; out != whole {
			t.Errorf("%s: from\n%s\ngot\n%s\nwant\n%s", name, in, out, whole)
		}
		// What else is wrong is shown, and nothing that is right.
		_, l := LoadFiles([]File{catalogue, {"r.yaml", []byte(strings.Replace(in, "amount > 500", "amuont > 500", 1))}}, demoAccount())
		if got := codes(l); strings.Count(got, "N106")+strings.Count(got, "N202") != l.Errors() || !strings.Contains(got, "N202") {
			t.Errorf("%s:\n%s", name, show(l))
		}
	}
}

// Full-width marks are repaired where they can be nothing else, and Chinese quotation marks around a text.
func TestFormatRepairsMarks(t *testing.T) {
	catalogue := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	head := "version: 1\nrules:\n  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n"
	in := head + "    when: amount > 1，000\n    push: {body: “你好”, title: \"${amount｜money}\"}\n    limits: ｛quiet: 22：00—08：00, per_user: １ in 24h， expire: １h｝\n"
	want := head + "    when: amount > 1000\n    push: {body: \"你好\", title: \"${amount|money}\"}\n    limits: {quiet: 22:00-08:00, per_user: 1 in 24h, expire: 1h}\n"
	if out := format(t, []File{catalogue, {"r.yaml", []byte(in)}})["r.yaml"]; out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// A line that cannot be read keeps no other from being repaired as it would be alone, and a mark of a text stays.
func TestFormatRepairsMarksBesideWhatCannotBeRead(t *testing.T) {
	catalogue := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	in := `version: 1
rules: 
  - name: x-y
    title: 《丑》：一个，例子
    notes: |
      tests: 
    tests: 
      - {name: 多, event: {amount: 501}, expect: {push: {title: 谢谢, ${city｜default（“您”）}}}}
    event: order.paid # 订单，注释：保留
    mode: live
    class: service
    when: always
    push: {body: 已付 ${amount|money} 元: 多谢, title：谢谢，您！}
    limits: {expire: 12h， per_user： 1 in 24h，quiet：22：00－08：00}
`
	want := strings.NewReplacer("rules: ", "rules:", "    tests: \n      - ", "    tests:\n      - ", "title：", "title: ", `{expire: 12h， per_user： 1 in 24h，quiet：22：00－08：00}`, `{expire: 12h, per_user: 1 in 24h, quiet: 22:00-08:00}`).Replace(in)
	if out := format(t, []File{catalogue, {"r.yaml", []byte(in)}})["r.yaml"]; out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

// Two marks that make one operator are repaired as one, words do not run into what is around them, and a mark that ends a sentence joins
// two conditions or goes.
func TestFormatRepairsOperators(t *testing.T) {
	catalogue := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	head := "version: 1\nrules:\n  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: "
	for in, want := range map[string]string{
		`amount ＞＝ 500 and level ＝＝ "vip" and city ！＝ "x" and amount ＜＝ 900`:        `amount >= 500 and level == "vip" and city != "x" and amount <= 900`,
		`amount＞＝500＆＆level＝"vip"｜｜amount＜3`:                                        `amount>=500 and level=="vip" or amount<3`,
		`amount >＝ 1 and amount ＜= 3 and city !＝ "x" or city ！= "y" and amount ＞ 3`: `amount >= 1 and amount <= 3 and city != "x" or city != "y" and amount > 3`,
		`level =＝ "vip" or amount ＝＞ 3 or amount ＜＞ 5 or (amount ？？ 0) > 5`:         `level == "vip" or amount >= 3 or amount != 5 or (amount ?? 0) > 5`,
		`！has(city)且amount > 3＆（不是 has(city)）`:                                      `not has(city) and amount > 3 and (not has(city))`,
		`amount > 500； level == "vip"；`:                                             `amount > 500 and level == "vip"`,
		`'amount > 500，level == "vip"。'`:                                            `'amount > 500 and level == "vip"'`,
		`level in ["vip"；"svip"]`:                                                   `level in ["vip","svip"]`,
	} {
		file := func(when string) string { return head + when + "\n    push: {title: \"t\", body: \"b\"}\n" }
		if out := format(t, []File{catalogue, {"r.yaml", []byte(file(in))}})["r.yaml"]; out != file(want) {
			t.Errorf("%s\ngot\n%s\nwant\n%s", in, out, file(want))
		}
	}
}

// In a hole as well, as the marks around its text need it; what is quoted in it stays.
func TestFormatRepairsHoles(t *testing.T) {
	catalogue := File{"events.yaml", readFile(t, "testdata/events.yaml")}
	head := "version: 1\nrules:\n  - name: x-y\n    event: order.paid\n    mode: live\n    class: service\n    when: level in "
	in := head + `(“vip”，“svip”)
    push:
      title: "${city | default(“亲”)}，${city ｜ default（"（｜）"）}"
      body: |
        ${city | default(“亲”)}
      link: '${city | default("亲”)}'
`
	in = strings.Replace(in, `（"（｜）"）`, `（\"（｜）\"）`, 1)
	want := head + `("vip","svip")
    push:
      title: "${city | default(\"亲\")}，${city | default(\"（｜）\")}"
      body: |
        ${city | default("亲")}
      link: '${city | default("亲")}'
`
	if out := format(t, []File{catalogue, {"r.yaml", []byte(in)}})["r.yaml"]; out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func comments(text string) (out []string) {
	for line := range strings.Lines(text) {
		if s := strings.TrimSpace(line); strings.HasPrefix(s, "#") {
			out = append(out, s)
		}
	}
	return out
}

// A file cut anywhere, or with any byte doubled, is formatted or left; nothing that can be read changes its meaning (Format would say so).
func TestFormatOfDamagedFiles(t *testing.T) {
	catalogue, err := os.ReadFile("testdata/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../../rules/orders.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data); i += 5 {
		for _, damaged := range [][]byte{data[:i], append(append(append([]byte{}, data[:i]...), data[max(0, i-1)]), data[i:]...)} {
			format(t, []File{{"events.yaml", catalogue}, {"rules.yaml", damaged}})
		}
	}
}

// What is mended keeps all its keys; what may mean two things is left as it is.
func TestFormatSwallowsNoKey(t *testing.T) {
	catalogue, err := os.ReadFile("testdata/events.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rule := "version: 1\nrules:\n  - name: any-rule\n    event: order.paid\n    mode: live\n    class: service\n    when: always\n    push: "
	for in, want := range map[string]string{
		`{title: "t", body: "b", data: {a： “x”，b: "y"}}`: `{title: "t", body: "b", data: {a: "x", b: "y"}}`,
		`{title: "t", body: "b", data: {a： “x”；b: “y”}}`: `{title: "t", body: "b", data: {a: "x", b: "y"}}`,
		`{title: “谢谢”，body: “您好”}`:                       `{title: "谢谢", body: "您好"}`,
		`｛title："您好，世界"，body："b"｝`:                       `{title: "您好，世界", body: "b"}`,
		`｛title：您好，世界，body：b｝`:                           `{title: "您好，世界", body: "b"}`,
		`{title: “双十一”和“双十二”, body: "b"}`:                `{title: "“双十一”和“双十二”", body: "b"}`,
		`{title: 谢谢 body: "您好"}`:                         "",
		`{title: “谢谢；body: 您好”, body: "b"}`:              "",
		`{title: “谢谢，body: 您好”, body: "b"}`:              "",
		`{title: 温馨提示: 请查收, body: "b"}`:                  "",
		`{body: "b", data: {a: “x" 和 “y"}}`:              `{body: "b", data: {a: “x" 和 “y"}}`,
		`{body: "b"}}`: "",
	} {
		if want == "" {
			want = in
		}
		got := format(t, []File{{"events.yaml", catalogue}, {"r.yaml", []byte(rule + in + "\n")}})["r.yaml"]
		if got != rule+want+"\n" {
			t.Errorf("%s\n got %s\nwant %s", in, strings.TrimPrefix(got, rule), want)
		}
	}
}
