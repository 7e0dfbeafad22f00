import io.rong.RongCloud;
import io.rong.messages.TxtMessage;
import io.rong.models.Result;
import io.rong.models.message.BroadcastMessage;
import io.rong.models.message.PushExt;
import io.rong.models.message.PushUserMessage;
import io.rong.models.message.RecallMessage;
import io.rong.models.message.SystemMessage;
import io.rong.models.message.TemplateMessage;
import io.rong.models.push.Audience;
import io.rong.models.push.AudienceCustom;
import io.rong.models.push.BroadcastModel;
import io.rong.models.push.Message;
import io.rong.models.push.Notification;
import io.rong.models.push.PlatformNotification;
import io.rong.models.push.PushModel;
import io.rong.models.response.GetTagResult;
import io.rong.models.response.PushResult;
import io.rong.models.user.BatchTagModel;
import io.rong.models.user.GetTagModel;
import io.rong.models.user.TagModel;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Carries out one call of the vendor's Java SDK for each line "STEP ARGUMENT..." on stdin, and answers with a line
 * "RESULT" and JSON: what the SDK made of the answer. The SDK prints to stdout too, hence the word in front.
 *
 * Nothing here helps the SDK along: objects are filled through its own setters, as its documentation shows.
 */
public class Vendor {
    private static final String SENDER = "sys-1";

    private final RongCloud rong;

    Vendor(String key, String secret, String primary, String backup) {
        rong = RongCloud.getInstance(key, secret, primary, List.of(backup));
    }

    public static void main(String[] args) throws Exception {
        Vendor vendor = new Vendor(args[0], args[1], args[2], args[3]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            com.alibaba.fastjson.JSONObject out = new com.alibaba.fastjson.JSONObject();
            try {
                Result result = vendor.call(words);
                out.put("code", result.getCode());
                out.put("message", result.getErrorMessage());
                if (result instanceof PushResult) {
                    out.put("id", ((PushResult) result).getId());
                }
                if (result instanceof GetTagResult) {
                    out.put("tags", ((GetTagResult) result).getResult());
                }
            } catch (Exception e) {
                out.put("thrown", e.toString());
            }
            System.out.println("RESULT " + out.toJSONString());
            System.out.flush();
        }
    }

    private Result call(String[] words) throws Exception {
        switch (words[0]) {
            case "tag.set":
                return setTags("u-1", "vip", "北京");
            case "tag.clear":
                return setTags("u-1");
            case "tag.null":
                return setTags("u-1", (String[]) null);
            case "tag.batch": {
                BatchTagModel m = new BatchTagModel();
                m.setUserIds(new String[]{"u-1", "u-2", "u+3=x"});
                m.setTags(new String[]{"vip"});
                return rong.user.tag.batchSet(m);
            }
            case "tag.get": {
                GetTagModel m = new GetTagModel();
                m.setUserIds(new String[]{"u-1", "u+3=x", "nobody"});
                return rong.user.tag.get(m);
            }
            case "push.tags": {
                Audience a = new Audience();
                a.setTag(new String[]{"vip", "北京"});
                a.setTag_or(new String[]{"x", "y"});
                a.setPackageName("cn.example.app");
                return push(a, "ios", "android");
            }
            case "push.users": {
                Audience a = new Audience();
                a.setUserid(new String[]{"u-1", "u-2"});
                a.setTag(new String[]{"vip"});
                return push(a, "ios", "android");
            }
            case "push.all": {
                Audience a = new Audience();
                a.setIs_to_all(true);
                a.setTag(new String[]{"vip"});
                return push(a, "ios");
            }
            case "push.nobody":
                return push(new Audience(), "ios", "android");
            case "push.harmony": {
                Audience a = new Audience();
                a.setTag(new String[]{"vip"});
                return push(a, "ios", "android", "harmonyos");
            }
            case "push.rich": {
                Audience a = new Audience();
                a.setTag(new String[]{"vip"});
                PushModel m = new PushModel();
                m.setPlatform(new String[]{"ios", "android"});
                m.setAudience(a);
                m.setNotification(rich());
                return rong.push.push(m);
            }
            case "push.message": {
                Audience a = new Audience();
                a.setTag_or(new String[]{"vip", "x"});
                Message message = new Message();
                message.setObjectName("RC:TxtMsg");
                message.setContent(text("hello").toString());
                BroadcastModel m = new BroadcastModel();
                m.setPlatform(new String[]{"ios", "android"});
                m.setFromuserid(SENDER);
                m.setAudience(a);
                m.setMessage(message);
                m.setNotification(alert());
                return rong.push.message(m);
            }
            case "push.custom": {
                AudienceCustom a = new AudienceCustom();
                AudienceCustom.TagItem provinces = new AudienceCustom.TagItem();
                provinces.setTags(new String[]{"guangdong", "hunan"});
                AudienceCustom.TagItem not = new AudienceCustom.TagItem();
                not.setTags(new String[]{"20200408"});
                not.setIsNot(true);
                not.setItemsOperator(AudienceCustom.AND);
                a.setTagItems(provinces, not);
                PushModel m = new PushModel();
                m.setPlatform(new String[]{"ios", "android"});
                m.setAudience(a);
                m.setNotification(alert());
                return rong.pushCustom.pushcustom(m);
            }
            case "push.custom.harmony": {
                Audience a = new AudienceCustom();
                a.setTag(new String[]{"vip"});
                PushModel m = new PushModel();
                m.setPlatform(new String[]{"ios", "android", "harmonyos"});
                m.setAudience(a);
                m.setNotification(alert());
                return rong.pushCustom.pushcustom(m);
            }
            case "push.vivo.constructor": {
                PlatformNotification android = new PlatformNotification();
                android.setVivo(new PlatformNotification.Platform("channel", "1"));
                Notification n = alert();
                n.setAndroid(android);
                Audience a = new Audience();
                a.setTag(new String[]{"vip"});
                PushModel m = new PushModel();
                m.setPlatform(new String[]{"android"});
                m.setAudience(a);
                m.setNotification(n);
                return rong.push.push(m);
            }
            case "push.user.rich": {
                Notification from = rich();
                return rong.message.system.sendUser(new PushUserMessage()
                        .setUserIds(List.of("u-1"))
                        .setNotification(new PushUserMessage.Notification().setPushContent("pushed").setIos(from.getIos()).setAndroid(from.getAndroid())));
            }
            case "push.user":
                return rong.message.system.sendUser(new PushUserMessage()
                        .setUserIds(List.of("u-1", "u-2"))
                        .setNotification(new PushUserMessage.Notification().setTitle("title").setPushContent("pushed")));
            case "system.send":
                return rong.message.system.send(new SystemMessage()
                        .setSenderId(SENDER)
                        .setTargetId(new String[]{"u-1", "u+3=x"})
                        .setObjectName("RC:TxtMsg")
                        .setContent(text("hello & good bye = 1+1"))
                        .setPushContent("pushed")
                        .setPushData("{\"k\":\"v\"}")
                        .setPushExt(PushExt.build("title", 1, new PushExt.HW("channel", "NORMAL"), new PushExt.APNs("thread", "collapse")))
                        .setIsPersisted(1)
                        .setIsCounted(0)
                        .setContentAvailable(0)
                        .setDisablePush(false)
                        .setMsgRandom(7L));
            case "system.template":
                return rong.message.system.sendTemplate(template());
            case "system.template.full": {
                TemplateMessage m = template();
                m.setPushData(new String[]{"one", "two"});
                m.setPushExt(new String[]{"{\"title\":\"t\"}", "{\"title\":\"t\"}"});
                m.setVerifyBlacklist(0);
                m.setContentAvailable(0);
                m.setDisablePush(false);
                m.setMsgRandom(9L);
                return rong.message.system.sendTemplate(m);
            }
            case "broadcast":
                return rong.message.system.broadcast(new BroadcastMessage()
                        .setSenderId(SENDER)
                        .setObjectName("RC:TxtMsg")
                        .setContent(text("to all"))
                        .setPushContent("pushed")
                        .setPushData("")
                        .setOs("iOS"));
            case "broadcast.online":
                return rong.message.system.onlineBroadcast(new BroadcastMessage()
                        .setSenderId(SENDER)
                        .setObjectName("RC:TxtMsg")
                        .setContent(text("to all who are here")));
            case "recall.broadcast":
                return rong.message.system.recallBroadcast(new RecallMessage()
                        .setSenderId(SENDER)
                        .setuId(words[1])
                        .setSentTime(words[2])
                        .setIsAdmin(0)
                        .setIsDelete(1));
            case "recall.system":
                return rong.message.system.recall(new RecallMessage()
                        .setSenderId(SENDER)
                        .setTargetId("u-1")
                        .setuId(words[1])
                        .setSentTime(words[2]));
            default:
                throw new IllegalArgumentException("no step " + words[0]);
        }
    }

    private Result setTags(String user, String... tags) throws Exception {
        TagModel m = new TagModel();
        m.setUserId(user);
        m.setTags(tags);
        return rong.user.tag.set(m);
    }

    private Result push(Audience audience, String... platforms) throws Exception {
        PushModel m = new PushModel();
        m.setPlatform(platforms);
        m.setAudience(audience);
        m.setNotification(alert());
        return rong.push.push(m);
    }

    private static Notification alert() {
        Notification n = new Notification();
        n.setAlert("hello");
        return n;
    }

    /** Every node that this version of the SDK has. */
    private static Notification rich() {
        PlatformNotification ios = new PlatformNotification();
        ios.setAlert("hello ios");
        ios.setTitle("title");
        ios.setBadge(0);
        ios.setContentAvailable(0);
        ios.setThread_id("thread");
        ios.setApns_collapse_id("collapse");
        ios.setCategory("category");
        ios.setRichMediaUri("https://example.com/a.png");
        ios.setExtras(Map.of("k", "v"));
        PlatformNotification android = new PlatformNotification();
        android.setAlert("hello android");
        PlatformNotification.Platform hw = new PlatformNotification.Platform("channel");
        hw.setImportance("NORMAL");
        hw.setImage("https://example.com/a.png");
        android.setHw(hw);
        PlatformNotification.Platform mi = new PlatformNotification.Platform("channel");
        mi.setLarge_icon_uri("https://example.com/a.png");
        android.setMi(mi);
        android.setOppo("channel");
        android.setVivo("1");
        PlatformNotification.Platform fcm = new PlatformNotification.Platform("channel");
        fcm.setCollapse_key("collapse");
        fcm.setImageUrl("https://example.com/a.png");
        android.setFcm(fcm);
        android.setExtras(Map.of("k", "v"));
        Notification n = alert();
        n.setTitle("title");
        n.setForceShowPushContent(0);
        n.setIos(ios);
        n.setAndroid(android);
        return n;
    }

    private static TxtMessage text(String content) {
        return new TxtMessage(content, "");
    }

    private static TemplateMessage template() {
        TemplateMessage m = new TemplateMessage();
        m.setSenderId(SENDER);
        m.setObjectName("RC:TxtMsg");
        Map<String, String> template = new LinkedHashMap<>();
        template.put("content", "{name}: {score}");
        template.put("extra", "");
        m.setTemplate(template);
        Map<String, TemplateMessage.Data> content = new LinkedHashMap<>();
        content.put("u-1", data(m, "Tom", "2"));
        content.put("u-2", data(m, "Jerry", "5"));
        m.setContent(content);
        return m;
    }

    private static TemplateMessage.Data data(TemplateMessage m, String name, String score) {
        TemplateMessage.Data d = m.new Data();
        d.setData(Map.of("{name}", name, "{score}", score));
        d.setPush("hello {name}");
        return d;
    }
}
