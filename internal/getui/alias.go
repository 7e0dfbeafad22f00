package getui

import "net/http"

func alias(method, name string) Endpoint {
	return Endpoint{Method: method, Name: name, Lane: LaneAlias, Repeatable: true}
}

// The endpoints of aliases.
var (
	AliasBind      = alias(http.MethodPost, "/user/alias")
	AliasOf        = alias(http.MethodGet, "/user/alias/cid/{cid}")
	AliasCIDs      = alias(http.MethodGet, "/user/cid/alias/{alias}")
	AliasUnbind    = alias(http.MethodDelete, "/user/alias")
	AliasUnbindAll = alias(http.MethodDelete, "/user/alias/{alias}")
)

// Pair is a device and the alias it is bound to. A device has one alias, a new one replaces it; an alias has up to ten devices.
type Pair struct {
	CID   string `json:"cid"`
	Alias string `json:"alias"`
}

func pairs(all []Pair) ([]byte, error) {
	cids := make([]string, len(all))
	for i, p := range all {
		if err := ValidAlias(p.Alias); err != nil {
			return nil, err
		}
		cids[i] = p.CID
	}
	if err := list("data_list", cids, MaxAliasPairs, ValidCID); err != nil {
		return nil, err
	}
	return encode(map[string][]Pair{"data_list": all})
}

// BindAliases names up to 1000 devices.
type BindAliases struct{ Pairs []Pair }

func (BindAliases) Endpoint() Endpoint      { return AliasBind }
func (BindAliases) Path() string            { return AliasBind.Name }
func (r BindAliases) Body() ([]byte, error) { return pairs(r.Pairs) }

// UnbindAliases takes up to 1000 names back.
type UnbindAliases struct{ Pairs []Pair }

func (UnbindAliases) Endpoint() Endpoint      { return AliasUnbind }
func (UnbindAliases) Path() string            { return AliasUnbind.Name }
func (r UnbindAliases) Body() ([]byte, error) { return pairs(r.Pairs) }

// UnbindAlias takes an alias from all its devices.
type UnbindAlias struct{ Alias string }

func (UnbindAlias) Endpoint() Endpoint      { return AliasUnbindAll }
func (r UnbindAlias) Path() string          { return "/user/alias/" + segment(r.Alias) }
func (r UnbindAlias) Body() ([]byte, error) { return nil, ValidAlias(r.Alias) }

// GetAlias reads the alias of a device, "" being none.
type GetAlias struct{ CID string }

func (GetAlias) Endpoint() Endpoint      { return AliasOf }
func (r GetAlias) Path() string          { return "/user/alias/cid/" + segment(r.CID) }
func (r GetAlias) Body() ([]byte, error) { return nil, ValidCID(r.CID) }

func (r GetAlias) Decode(a *Answer) (string, error) {
	var data struct {
		Alias string `json:"alias"`
	}
	err := decode(r, a, &data)
	return data.Alias, err
}

// GetCIDs reads the devices of an alias.
type GetCIDs struct{ Alias string }

func (GetCIDs) Endpoint() Endpoint      { return AliasCIDs }
func (r GetCIDs) Path() string          { return "/user/cid/alias/" + segment(r.Alias) }
func (r GetCIDs) Body() ([]byte, error) { return nil, ValidAlias(r.Alias) }

func (r GetCIDs) Decode(a *Answer) ([]string, error) {
	var data struct {
		CIDs []string `json:"cid"`
	}
	err := decode(r, a, &data)
	return data.CIDs, err
}
