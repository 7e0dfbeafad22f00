package demo

import (
	"fmt"
	"math/rand/v2"

	"github.com/notifier/notifier/internal/sandbox"
)

// person is somebody of whom the stream tells.
type person struct {
	id, name, city, level string
	blocked               bool
}

var (
	surnames = []string{"王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙", "胡", "朱", "高", "林", "何", "郭", "马", "罗", "欧阳"}
	given    = []string{"伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳", "勇", "杰", "涛", "明", "超", "小满", "子涵", "雨桐", "浩然", "思远", "晓东", "佳怡", "志强", "梓萱", "建国", "秀英"}
	cities   = []string{"北京", "上海", "广州", "深圳", "成都", "杭州", "武汉", "西安", "南京", "重庆", "苏州", "长沙"}
	levels   = []string{"normal", "normal", "normal", "normal", "vip", "vip", "svip"}
	products = []string{"降噪耳机", "机械键盘", "保温杯", "登山包", "空气炸锅", "扫地机器人", "智能手表", "折叠自行车", "咖啡机", "护眼台灯"}
	posts    = []string{"周末骑行路线分享", "阳台种番茄的第三年", "五十块钱的书架改造", "城西新开的面馆", "第一次跑完半马", "猫和键盘不可兼得"}
	carriers = []string{"顺丰", "中通", "圆通", "京东物流", "韵达"}
	agents   = []string{"小融", "小林", "阿宁", "客服"}
	replies  = []string{"您好，退款已经提交，预计一个工作日到账。", "已为您补发，新的运单号稍后更新。", "发票已开好，请在订单详情下载。", "地址已经改好，今天发出。"}
)

// people is how many there are in a stream.
const people = 400

func userID(i int) string { return fmt.Sprintf("u-%03d", i+1) }

// everybody lists the devices of a stream's people.
func everybody() (devices []sandbox.Device) {
	for i := range people {
		devices = append(devices, sandbox.Device{CID: userID(i)})
	}
	return devices
}

// population makes the people of a stream. The first few are the cast of its opening.
func population(rnd *rand.Rand) []person {
	out := make([]person, people)
	for i := range out {
		out[i] = person{id: userID(i), name: pick(rnd, surnames) + pick(rnd, given), city: pick(rnd, cities), level: pick(rnd, levels), blocked: i > 20 && rnd.IntN(60) == 0}
	}
	return out
}

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }
