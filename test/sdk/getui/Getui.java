import com.getui.push.v2.sdk.ApiHelper;
import com.getui.push.v2.sdk.GtApiConfiguration;
import com.getui.push.v2.sdk.api.AuthApi;
import com.getui.push.v2.sdk.api.PushApi;
import com.getui.push.v2.sdk.api.StatisticApi;
import com.getui.push.v2.sdk.api.UserApi;
import com.getui.push.v2.sdk.common.ApiResult;
import com.getui.push.v2.sdk.dto.req.Audience;
import com.getui.push.v2.sdk.dto.req.AudienceDTO;
import com.getui.push.v2.sdk.dto.req.AuthDTO;
import com.getui.push.v2.sdk.dto.req.CidAliasListDTO;
import com.getui.push.v2.sdk.dto.req.Condition;
import com.getui.push.v2.sdk.dto.req.Settings;
import com.getui.push.v2.sdk.dto.req.Strategy;
import com.getui.push.v2.sdk.dto.req.TagDTO;
import com.getui.push.v2.sdk.dto.req.UserDTO;
import com.getui.push.v2.sdk.dto.req.message.PushBatchDTO;
import com.getui.push.v2.sdk.dto.req.message.PushChannel;
import com.getui.push.v2.sdk.dto.req.message.PushDTO;
import com.getui.push.v2.sdk.dto.req.message.PushMessage;
import com.getui.push.v2.sdk.dto.req.message.android.AndroidDTO;
import com.getui.push.v2.sdk.dto.req.message.android.GTNotification;
import com.getui.push.v2.sdk.dto.req.message.android.ThirdNotification;
import com.getui.push.v2.sdk.dto.req.message.android.Ups;
import com.getui.push.v2.sdk.dto.req.message.ios.Alert;
import com.getui.push.v2.sdk.dto.req.message.ios.Aps;
import com.getui.push.v2.sdk.dto.req.message.ios.IosDTO;
import com.google.gson.Gson;
import com.google.gson.JsonObject;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Carries out one call of Getui's Java SDK for each line "STEP ARGUMENT..." on stdin, and answers with a line "RESULT" and JSON:
 * what the SDK made of the answer. Objects are filled through the SDK's own setters, as its documentation shows.
 */
public class Getui {
    private static final String ONE = "aadaf59782dcba2ca6083e4a47e895f1";
    private static final String TWO = "aadaf59782dcba2ca6083e4a47e895f2";

    private final String key;
    private final String secret;
    private final AuthApi auth;
    private final PushApi push;
    private final UserApi user;
    private final StatisticApi report;

    Getui(String appId, String key, String secret, String domain) {
        this.key = key;
        this.secret = secret;
        GtApiConfiguration c = new GtApiConfiguration();
        c.setAppId(appId);
        c.setAppKey(key);
        c.setMasterSecret(secret);
        c.setDomain(domain);
        ApiHelper helper = ApiHelper.build(c);
        auth = helper.creatApi(AuthApi.class);
        push = helper.creatApi(PushApi.class);
        user = helper.creatApi(UserApi.class);
        report = helper.creatApi(StatisticApi.class);
    }

    public static void main(String[] args) throws Exception {
        Getui vendor = new Getui(args[0], args[1], args[2], args[3]);
        Gson gson = new Gson();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonObject out = new JsonObject();
            try {
                ApiResult<?> result = vendor.call(line.split(" "));
                out.addProperty("code", result.getCode());
                out.addProperty("message", result.getMsg());
                out.add("data", gson.toJsonTree(result.getData()));
            } catch (Exception e) {
                out.addProperty("thrown", e.toString());
            }
            System.out.println("RESULT " + gson.toJson(out));
            System.out.flush();
        }
        System.exit(0); // the SDK's own threads never end
    }

    private ApiResult<?> call(String[] words) throws Exception {
        switch (words[0]) {
            case "auth": {
                AuthDTO m = AuthDTO.build(key, secret);
                return auth.auth(m);
            }
            case "auth.wrong": {
                AuthDTO m = AuthDTO.build(key, "not the secret");
                return auth.auth(m);
            }
            case "single.cid":
                return push.pushToSingleByCid(to(rich("sdk-single-cid-1"), cid(ONE)));
            case "single.alias":
                return push.pushToSingleByAlias(to(plain("sdk-single-alias-1"), alias("user_1002")));
            case "single.unknown":
                return push.pushToSingleByCid(to(plain("sdk-single-unknown"), cid("nobody")));
            case "single.silent": {
                PushDTO<Audience> m = to(plain("sdk-single-silent"), cid(ONE));
                PushMessage message = new PushMessage();
                message.setTransmission("{\"k\":\"v\"}");
                m.setPushMessage(message);
                return push.pushToSingleByCid(m);
            }
            case "single.generated": {
                PushDTO<Audience> m = to(plain(null), cid(ONE));
                return push.pushToSingleByCid(m);
            }
            case "batch.cid":
                return push.pushBatchByCid(batch(to(plain("sdk-batch-cid-1"), cid(ONE)), to(plain("sdk-batch-cid-2"), cid(TWO)), to(plain("sdk-batch-cid-3"), cid("nobody"))));
            case "batch.alias":
                return push.pushBatchByAlias(batch(to(plain("sdk-batch-alias-1"), alias("user_1001")), to(plain("sdk-batch-alias-2"), alias("user_1002"))));
            case "list.message": {
                PushDTO<Audience> m = plain("sdk-list-message-1");
                m.setGroupName("sdk-group");
                return push.createMsg(m);
            }
            case "list.cid":
                return push.pushListByCid(list(words[1], cid(ONE, TWO)));
            case "list.alias": {
                AudienceDTO m = list(words[1], alias("user_1001", "user_1002"));
                m.setNeedAliasDetail(false);
                return push.pushListByAlias(m);
            }
            case "list.alias.detail": {
                AudienceDTO m = list(words[1], alias("user_1001", "user_1002"));
                m.setNeedAliasDetail(true);
                return push.pushListByAlias(m);
            }
            case "app.all": {
                PushDTO<String> m = new PushDTO<>();
                fill(m, "sdk-app-all-1");
                m.setGroupName("sdk-group");
                m.setAudience("all");
                return push.pushAll(m);
            }
            case "app.tag": {
                Audience a = new Audience();
                a.addCondition(condition("phone_type", "or", "android", "ios"));
                a.addCondition(condition("custom_tag", "not", "old"));
                PushDTO<Audience> m = to(plain("sdk-app-tag-1"), a);
                m.setGroupName("sdk-group");
                m.getSettings().setSpeed(100);
                return push.pushByTag(m);
            }
            case "app.fast": {
                Audience a = new Audience();
                a.setFastCustomTag("vip");
                return push.pushByFastCustomTag(to(plain("sdk-app-fast-1"), a));
            }
            case "app.scheduled": {
                PushDTO<String> m = new PushDTO<>();
                fill(m, "sdk-app-later-1");
                m.getSettings().setScheduleTime(System.currentTimeMillis() + 3600_000L);
                m.setAudience("all");
                return push.pushAll(m);
            }
            case "stop":
                return push.stopPush(words[1]);
            case "report":
                return report.queryPushResultByTaskIds(Set.of(words[1]));
            case "alias.bind": {
                CidAliasListDTO m = new CidAliasListDTO();
                m.add(new CidAliasListDTO.CidAlias("bulk-cid-0001", "用户_1"));
                return user.bindAlias(m);
            }
            case "alias.cids":
                return user.queryCidByAlias("用户_1");
            case "alias.unbind": {
                CidAliasListDTO m = new CidAliasListDTO();
                m.add(new CidAliasListDTO.CidAlias("bulk-cid-0001", "用户_1"));
                return user.batchUnbindAlias(m);
            }
            case "tag.set": {
                TagDTO m = new TagDTO();
                m.setCustomTag(new LinkedHashSet<>(List.of("vip", "北京")));
                return user.userBindTags(ONE, m);
            }
            case "tag.add":
                return user.usersBindTag("新客", users(ONE, TWO));
            case "tag.remove":
                return user.deleteUsersTag("新客", users(ONE, TWO));
            case "tag.get":
                return user.queryUserTags(ONE);
            case "status":
                return user.queryUserStatus(Set.of(ONE));
            default:
                throw new IllegalArgumentException("no step " + words[0]);
        }
    }

    private static Audience cid(String... ids) {
        Audience a = new Audience();
        for (String id : ids) {
            a.addCid(id);
        }
        return a;
    }

    private static Audience alias(String... ids) {
        Audience a = new Audience();
        for (String id : ids) {
            a.addAlias(id);
        }
        return a;
    }

    private static Condition condition(String key, String op, String... values) {
        Condition c = new Condition();
        c.setKey(key);
        c.setOptType(op);
        c.setValues(new LinkedHashSet<>(List.of(values)));
        return c;
    }

    private static UserDTO users(String... ids) {
        UserDTO m = new UserDTO();
        m.setCid(new LinkedHashSet<>(List.of(ids)));
        return m;
    }

    private static AudienceDTO list(String task, Audience a) {
        AudienceDTO m = new AudienceDTO();
        m.setTaskid(task);
        m.setAudience(a);
        m.setAsync(false);
        return m;
    }

    private static PushBatchDTO batch(PushDTO<?>... all) {
        PushBatchDTO m = new PushBatchDTO();
        m.setAsync(false);
        for (PushDTO<?> p : all) {
            m.addPushDTO(p);
        }
        return m;
    }

    private static PushDTO<Audience> to(PushDTO<Audience> m, Audience a) {
        m.setAudience(a);
        return m;
    }

    private static PushDTO<Audience> plain(String id) {
        PushDTO<Audience> m = new PushDTO<>();
        fill(m, id);
        return m;
    }

    /** A null id is left to the SDK. */
    private static void fill(PushDTO<?> m, String id) {
        if (id != null) {
            m.setRequestId(id);
        }
        Settings s = new Settings();
        s.setTtl(7200000);
        m.setSettings(s);
        GTNotification n = new GTNotification();
        n.setTitle("title");
        n.setBody("body");
        n.setClickType("startapp");
        n.setNotifyId("7");
        PushMessage message = new PushMessage();
        message.setNotification(n);
        m.setPushMessage(message);
    }

    /** What the vendor's documentation shows of a push to a phone that may be away. */
    private static PushDTO<Audience> rich(String id) {
        PushDTO<Audience> m = plain(id);
        Strategy strategy = new Strategy();
        strategy.setDef(1);
        strategy.setIos(4);
        m.getSettings().setStrategy(strategy);
        GTNotification n = m.getPushMessage().getNotification();
        n.setClickType("payload");
        n.setPayload("{\"link\":\"app://orders/1\"}");
        n.setChannelLevel("3");
        n.setThreadId("thread");
        ThirdNotification third = new ThirdNotification();
        third.setTitle("title");
        third.setBody("body");
        third.setClickType("url");
        third.setUrl("https://example.com/1");
        third.setNotifyId("7");
        Ups ups = new Ups();
        ups.setNotification(third);
        ups.addOption("XM", "/extra.channel_id", "order");
        Alert alert = new Alert();
        alert.setTitle("title");
        alert.setBody("body");
        Aps aps = new Aps();
        aps.setAlert(alert);
        aps.setSound("default");
        aps.setThreadId("thread");
        aps.setContentAvailable(0);
        IosDTO ios = new IosDTO();
        ios.setType("notify");
        ios.setAps(aps);
        ios.setAutoBadge("+1");
        ios.setApnsCollapseId("collapse");
        PushChannel channel = new PushChannel();
        channel.setAndroid(new AndroidDTO().setUps(ups));
        channel.setIos(ios);
        m.setPushChannel(channel);
        return m;
    }
}
