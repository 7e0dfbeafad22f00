package getui

import "net/http"

// Push is what all pushes have in common, whoever they go to.
type Push struct {
	RequestID string    `json:"request_id,omitempty"` // IDs; required but for list messages
	TaskName  string    `json:"task_name,omitempty"`
	GroupName string    `json:"group_name,omitempty"` // 任务组名, under which reports sum up
	Settings  *Settings `json:"settings,omitempty"`
	Message   Message   `json:"push_message"`
	Channel   *Channel  `json:"push_channel,omitempty"`
}

func (p *Push) validate() error {
	return every(text("task_name", p.TaskName, MaxGroup), groupName(p.GroupName), p.Settings.validate(), p.Message.validate(), p.Channel.validate())
}

// onWire is a push with its audience.
type onWire struct {
	RequestID string    `json:"request_id,omitempty"`
	TaskName  string    `json:"task_name,omitempty"`
	GroupName string    `json:"group_name,omitempty"`
	Settings  *Settings `json:"settings,omitempty"`
	Audience  any       `json:"audience,omitempty"`
	Message   Message   `json:"push_message"`
	Channel   *Channel  `json:"push_channel,omitempty"`
}

func (p Push) to(audience any) onWire {
	return onWire{p.RequestID, p.TaskName, p.GroupName, p.Settings, audience, p.Message, p.Channel}
}

// By is how a user is named: by the vendor's own client id, or by an alias that was bound to it.
type By string

const (
	ByCID   By = "cid"
	ByAlias By = "alias"
)

// Valid reports why the vendor would refuse a user's name.
func (b By) Valid(target string) error {
	switch b {
	case ByCID:
		return ValidCID(target)
	case ByAlias:
		return ValidAlias(target)
	}
	return invalid("audience", "users are named by cid or by alias", "用户用 cid 或 alias 指定")
}

func (b By) audience(targets ...string) map[By][]string { return map[By][]string{b: targets} }

func (b By) endpoint(alias, cid Endpoint) Endpoint {
	if b == ByAlias {
		return alias
	}
	return cid
}

// The endpoints of pushes to named users.
var (
	SingleCID   = Endpoint{Method: http.MethodPost, Name: "/push/single/cid", Lane: LaneSingle, Repeatable: true}
	SingleAlias = Endpoint{Method: http.MethodPost, Name: "/push/single/alias", Lane: LaneSingle, Repeatable: true}
	BatchCID    = Endpoint{Method: http.MethodPost, Name: "/push/single/batch/cid", Lane: LaneBatch, Repeatable: true}
	BatchAlias  = Endpoint{Method: http.MethodPost, Name: "/push/single/batch/alias", Lane: LaneBatch, Repeatable: true}
	ListMessage = Endpoint{Method: http.MethodPost, Name: "/push/list/message", Lane: LaneMessage, Repeatable: true}
	ListCID     = Endpoint{Method: http.MethodPost, Name: "/push/list/cid", Lane: LaneList}
	ListAlias   = Endpoint{Method: http.MethodPost, Name: "/push/list/alias", Lane: LaneList}
)

// Single is one push to one user.
type Single struct {
	By     By
	Target string
	Push
}

func (r Single) Endpoint() Endpoint { return r.By.endpoint(SingleAlias, SingleCID) }
func (r Single) Path() string       { return r.Endpoint().Name }

func (r Single) validate() error {
	return every(requestID(r.RequestID, false), r.By.Valid(r.Target), r.Push.validate())
}

func (r Single) Body() ([]byte, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	return encode(r.Push.to(r.By.audience(r.Target)))
}

// Batch is up to 200 pushes, each with its own user and content. The answer tells users apart and nothing else, so none may be in it twice.
type Batch struct {
	By    By
	Items []Single
}

func (r Batch) Endpoint() Endpoint { return r.By.endpoint(BatchAlias, BatchCID) }
func (r Batch) Path() string       { return r.Endpoint().Name }

// Targets are the users in it.
func (r Batch) Targets() []string {
	out := make([]string, len(r.Items))
	for i, it := range r.Items {
		out[i] = it.Target
	}
	return out
}

func (r Batch) Body() ([]byte, error) {
	if err := list("msg_list", r.Targets(), MaxBatch, r.By.Valid); err != nil {
		return nil, err
	}
	ids := make(map[string]bool, len(r.Items))
	wire := struct {
		Async    bool     `json:"is_async"` // true would lose the results
		Messages []onWire `json:"msg_list"`
	}{}
	for _, it := range r.Items {
		it.By = r.By
		if err := it.validate(); err != nil {
			return nil, err
		}
		if ids[it.RequestID] {
			return nil, invalid("request_id", "%q is there twice: the vendor would drop one of the two", "%q 出现了两次：个推会丢掉其中一个", it.RequestID)
		}
		ids[it.RequestID] = true
		wire.Messages = append(wire.Messages, it.Push.to(r.By.audience(it.Target)))
	}
	return encode(wire)
}

// StoreMessage stores the content of a list push; its answer's task id is what List sends. Nobody gets anything yet.
type StoreMessage struct{ Push }

func (StoreMessage) Endpoint() Endpoint { return ListMessage }
func (StoreMessage) Path() string       { return ListMessage.Name }

func (r StoreMessage) Body() ([]byte, error) {
	if s := r.Settings; s != nil && s.TTL != nil && *s.TTL < 0 {
		return nil, invalid("ttl", "-1: how long such a message can be sent is not documented", "-1：文档没有说明这样的消息能发多久")
	}
	if err := every(requestID(r.RequestID, true), r.Push.validate()); err != nil {
		return nil, err
	}
	return encode(r.Push.to(nil))
}

// List sends a stored message to up to 1000 users. It has no request_id: a second one is a second push.
type List struct {
	By      By
	TaskID  string
	Targets []string
}

func (r List) Endpoint() Endpoint { return r.By.endpoint(ListAlias, ListCID) }
func (r List) Path() string       { return r.Endpoint().Name }

func (r List) Body() ([]byte, error) {
	if err := every(identifier("taskid", r.TaskID), list(string(r.By), r.Targets, MaxList, r.By.Valid)); err != nil {
		return nil, err
	}
	return encode(struct {
		Audience map[By][]string `json:"audience"`
		TaskID   string          `json:"taskid"`
		Async    bool            `json:"is_async"`
		Detail   bool            `json:"need_alias_detail,omitempty"` // else the inner key of the answer is not documented
	}{r.By.audience(r.Targets...), r.TaskID, false, r.By == ByAlias})
}
