package rongpush

// PushExt is the notification of a message endpoint: a JSON object written into a string, with upper-case keys of its
// own (rongcloud.md 5.3). It shares no struct with Notification, whose fields look the same and are not.
type PushExt struct {
	Title                string
	TemplateID           string // applies only without pushContent and title
	ForceShowPushContent *int
	MI                   *ExtMI
	HONOR                *ExtHONOR
	HW                   *ExtHW
	OPPO                 *ExtOPPO
	VIVO                 *ExtVIVO
	APNs                 *ExtAPNs
	FCM                  *ExtFCM
	OHOS                 *ExtOHOS
}

// ExtMI is the MI entry of pushConfigs.
type ExtMI struct {
	ChannelID    string `json:"channelId,omitempty"`
	LargeIconURI string `json:"large_icon_uri,omitempty"`
}

// ExtHONOR is the HONOR entry.
type ExtHONOR struct {
	Importance string `json:"importance,omitempty"`
	Image      string `json:"image,omitempty"`
}

// ExtHW is the HW entry.
type ExtHW struct {
	ChannelID  string `json:"channelId,omitempty"`
	Importance string `json:"importance,omitempty"`
	Image      string `json:"image,omitempty"`
	Category   string `json:"category,omitempty"`
}

// ExtOPPO is the OPPO entry.
type ExtOPPO struct {
	ChannelID string `json:"channelId,omitempty"`
	Category  string `json:"category,omitempty"`
}

// ExtVIVO is the VIVO entry.
type ExtVIVO struct {
	Classification string `json:"classification,omitempty"`
	Category       string `json:"category,omitempty"`
}

// ExtAPNs is the APNs entry.
type ExtAPNs struct {
	ThreadID          string `json:"thread-id,omitempty"`
	CollapseID        string `json:"apns-collapse-id,omitempty"`
	RichMediaURI      string `json:"richMediaUri,omitempty"`
	InterruptionLevel string `json:"interruption-level,omitempty"`
}

// ExtFCM is the FCM entry.
type ExtFCM struct {
	ChannelID   string `json:"channelId,omitempty"`
	CollapseKey string `json:"collapse_key,omitempty"`
	ImageURL    string `json:"imageUrl,omitempty"`
}

// ExtOHOS is the OHOS entry.
type ExtOHOS struct {
	Category string `json:"category,omitempty"`
	Image    string `json:"image,omitempty"`
}

// extConfig is one element of pushConfigs: an object of a single key.
type extConfig struct {
	MI    *ExtMI    `json:"MI,omitempty"`
	HONOR *ExtHONOR `json:"HONOR,omitempty"`
	HW    *ExtHW    `json:"HW,omitempty"`
	OPPO  *ExtOPPO  `json:"OPPO,omitempty"`
	VIVO  *ExtVIVO  `json:"VIVO,omitempty"`
	APNs  *ExtAPNs  `json:"APNs,omitempty"`
	FCM   *ExtFCM   `json:"FCM,omitempty"`
	OHOS  *ExtOHOS  `json:"OHOS,omitempty"`
}

// encode gives the string; "" when there is nothing in it.
func (p PushExt) encode() (string, error) {
	if err := every(p.validate()); err != nil {
		return "", err
	}
	var configs []extConfig
	add := func(set bool, c extConfig) {
		if set {
			configs = append(configs, c)
		}
	}
	add(p.MI != nil, extConfig{MI: p.MI})
	add(p.HONOR != nil, extConfig{HONOR: p.HONOR})
	add(p.HW != nil, extConfig{HW: p.HW})
	add(p.OPPO != nil, extConfig{OPPO: p.OPPO})
	add(p.VIVO != nil, extConfig{VIVO: p.VIVO})
	add(p.APNs != nil, extConfig{APNs: p.APNs})
	add(p.FCM != nil, extConfig{FCM: p.FCM})
	add(p.OHOS != nil, extConfig{OHOS: p.OHOS})
	b, err := compactJSON(struct {
		Title                string      `json:"title,omitempty"`
		TemplateID           string      `json:"templateId,omitempty"`
		ForceShowPushContent *int        `json:"forceShowPushContent,omitempty"`
		PushConfigs          []extConfig `json:"pushConfigs,omitempty"`
	}{p.Title, p.TemplateID, p.ForceShowPushContent, configs})
	if err != nil || string(b) == "{}" {
		return "", err
	}
	return string(b), nil
}

// validate holds the entries to the rules of the same nodes of a Notification, which are the phone makers' own.
func (p PushExt) validate() error {
	const at = "pushExt.pushConfigs"
	if p.TemplateID != "" && p.Title != "" {
		return refuse("pushExt.templateId", "has no effect beside a title", "有标题时不起作用")
	}
	err := every(text("pushExt.title", p.Title, MaxTitle), text("pushExt.templateId", p.TemplateID, maxShortBytes),
		zeroOne("pushExt.forceShowPushContent", p.ForceShowPushContent))
	if v := p.MI; v != nil {
		err = every(err, text(at+".MI.channelId", v.ChannelID, maxShortBytes), text(at+".MI.large_icon_uri", v.LargeIconURI, maxShortBytes))
	}
	if v := p.HONOR; v != nil {
		err = every(err, oneOf(at+".HONOR.importance", v.Importance, importances...), httpsURL(at+".HONOR.image", v.Image))
	}
	if v := p.HW; v != nil {
		err = every(err, text(at+".HW.channelId", v.ChannelID, maxShortBytes), oneOf(at+".HW.importance", v.Importance, importances...),
			httpsURL(at+".HW.image", v.Image), huaweiCategory(at+".HW.category", v.Category))
	}
	if v := p.OPPO; v != nil {
		err = every(err, text(at+".OPPO.channelId", v.ChannelID, maxShortBytes), text(at+".OPPO.category", v.Category, maxShortBytes))
	}
	if v := p.VIVO; v != nil {
		err = every(err, vivo(at+".VIVO", v.Classification, v.Category))
	}
	if v := p.APNs; v != nil {
		err = every(err, text(at+".APNs.thread-id", v.ThreadID, maxShortBytes), collapseID(at+".APNs.apns-collapse-id", v.CollapseID),
			text(at+".APNs.richMediaUri", v.RichMediaURI, maxShortBytes), oneOf(at+".APNs.interruption-level", v.InterruptionLevel, interruptionLevels...))
	}
	if v := p.FCM; v != nil {
		err = every(err, text(at+".FCM.channelId", v.ChannelID, maxShortBytes), text(at+".FCM.collapse_key", v.CollapseKey, maxShortBytes),
			httpsURL(at+".FCM.imageUrl", v.ImageURL))
	}
	if v := p.OHOS; v != nil {
		err = every(err, text(at+".OHOS.category", v.Category, maxShortBytes), httpsURL(at+".OHOS.image", v.Image))
	}
	return err
}

// PushExt is the notification as a message endpoint carries it, without Text, which is the request's PushContent, and
// without extras, which are the app's own data and may travel as PushData. A part that pushExt has no place for is an
// error: it would be lost without a word.
func (n Notification) PushExt() (*PushExt, error) {
	if err := every(n.validate("notification", "alert"), n.onlyExt("notification")); err != nil {
		return nil, err
	}
	p := &PushExt{Title: n.Title, ForceShowPushContent: n.ForceShowPushContent}
	if i := n.IOS; i != nil {
		if v := (ExtAPNs{i.ThreadID, i.CollapseID, i.RichMediaURI, i.InterruptionLevel}); v != (ExtAPNs{}) {
			p.APNs = &v
		}
	}
	if a := n.Android; a != nil {
		if v := a.Honor; v != nil {
			p.HONOR = &ExtHONOR{v.Importance, v.Image}
		}
		if v := a.HW; v != nil {
			p.HW = &ExtHW{v.ChannelID, v.Importance, v.Image, v.Category}
		}
		if v := a.MI; v != nil {
			p.MI = &ExtMI{v.ChannelID, v.LargeIconURI}
		}
		if v := a.OPPO; v != nil {
			p.OPPO = &ExtOPPO{v.ChannelID, v.Category}
		}
		if v := a.Vivo; v != nil {
			p.VIVO = &ExtVIVO{v.Classification, v.Category}
		}
		if v := a.FCM; v != nil {
			p.FCM = &ExtFCM{v.ChannelID, v.CollapseKey, v.ImageURL}
		}
	}
	if h := n.HarmonyOS; h != nil && h.OHOS != nil {
		p.OHOS = &ExtOHOS{h.OHOS.Category, h.OHOS.Image}
	}
	return p, nil
}

// onlyExt names what pushExt has no place for.
func (n Notification) onlyExt(at string) error {
	var err error
	no := func(field string, set bool) {
		if set {
			err = every(err, refuse(at+"."+field, "cannot travel with a message (pushExt has no such key)", "带 message 时发不出去（pushExt 没有这一项）"))
		}
	}
	if i := n.IOS; i != nil {
		no("ios.title", i.Title != "")
		no("ios.alert", i.Alert != "")
		no("ios.category", i.Category != "")
		no("ios.badge", i.Badge != nil)
		no("ios.contentAvailable", i.ContentAvailable != nil)
	}
	if a := n.Android; a != nil {
		no("android.alert", a.Alert != "")
		no("android.oppo.notify_level", a.OPPO != nil && a.OPPO.NotifyLevel != nil)
	}
	if h := n.HarmonyOS; h != nil {
		no("harmonyOS.alert", h.Alert != "")
	}
	return err
}
