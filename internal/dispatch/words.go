package dispatch

import (
	"regexp"
	"strings"
	"sync"
)

// vocabulary is what vendors, the network and TLS say of a call, and what the fields of requests are called (api/rongcloud.md 3,
// api/getui.md 10, their schemas). No word of it tells who is meant.
var vocabulary = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(`
		a above after again all allowed already an and any are as at be before below between both but by can cannot contain contains could did do
		does each empty enough exactly exceed exceeded exceeds exist exists expired failed few first for found from greater has have higher illegal in
		incorrect instead into invalid invalidate is it its large larger least less limit limited long longer many may maximum min minimum missing
		more most much must need needed needs no none not null of off on one only or other out over please range repeated required same set short
		shorter should size small smaller some such than that the their them then there they this time to too twice type under unknown unsupported
		until up use used value values want wants was were when which will with within without wrong you your

		access account action alias api app appid application appkey app-key array audience auth authority authorization badge bad big_text body
		boolean broadcast busy bytes calls category channel character characters chars check cid cids client code config content count custom_tag data date
		day days deleted denied disabled domain duplicate duration enable enabled error errors exception fail failure field fields forbidden
		format frequency gateway group header host hour html http https id ids image integer intent internal interval json key keys later length
		link list locked logic logo_url lst matched max message messages method minute minutes msg name network nonce notification number object open
		operation options package param parameter parameters parse parsing path payload per permission platform position post proxy push quota rate
		received receiver recipient redirect refused request requests reset response result retry rule scheduled schedule_time second secret seconds
		send sending sensitive sent server service sign signature state status strategy string success syntax system tag tags target task taskid
		text timestamp title token try ttl unauthorized unavailable unexpected unicode unit update upstream url user users utf8 utf-8 version word words

		alert android apns contentavailable disablepush enum errormessage extra extras fcm forceshowpushcontent fromuserid
		harmonyos isadmin iscounted isnot ispersisted is_to_all msgrandom
		objectname packagename pushcontent pushdata pushext request_id activate_filter_type group_name big_image redisplay_freq settings push_message push_channel
		sync templateid touserid userid userids verifyblacklist tag_or huawei honor oppo vivo xiaomi

		aborted address attempt authenticated awaiting broken canceled cancelled certificate closed connect connected connection context current deadline
		dial eof handshake headers i/o idle late lookup malformed peer pipe read route signed ssl tcp timed timeout tls unreachable valid verify write
		x509 yet`) {
		out[w] = true
	}
	return out
})

var (
	piece    = regexp.MustCompile("[^\\s,:()\\[\\]{}<>\"'`=|，。：；（）【】“”「」、！？]+")
	oneCount = regexp.MustCompile(`^[0-9]{1,3}$`)
	masks    = regexp.MustCompile(`\*{3}(?:\s*\*{3})+`)
)

// knownWords is a text of which only words of the vocabulary are left, and a count behind one.
func knownWords(s string) string {
	word := false // stands before
	s = piece.ReplaceAllStringFunc(s, func(p string) string {
		bare := strings.Trim(p, ".;!?…")
		switch {
		case bare == "":
			return p
		case vocabulary()[strings.ToLower(bare)]:
			word = true
			return p
		case word && oneCount.MatchString(bare):
			word = false
			return p
		}
		for _, part := range strings.FieldsFunc(strings.ToLower(bare), func(r rune) bool { return r == '.' || r == '/' || r == '-' || r == '_' }) {
			if !vocabulary()[part] {
				word = false
				return "***"
			}
		}
		word = true
		return p
	})
	return masks.ReplaceAllString(s, "***")
}
